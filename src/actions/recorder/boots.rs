//! Under which boots of this host a run's commands were started. What a recorder writes down is not forced to the disk, as a
//! process that is killed takes nothing of it along: only a host that goes down does, and that shows in its boot id. So this
//! one file is on the disk before the first command of a boot is started, and where it names another boot, that nothing is
//! known of a command never means that it was not started.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Result, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::spool::boot_id;

/// The name of the file in a run's spool: one boot id a line.
const FILE: &str = "boots";

/// Says, durably, that commands of this run are started under this boot. Also where it says so already: whoever wrote that
/// may have been killed before it was on the disk.
pub(crate) fn note(spool: &Path) -> Result<()> {
    let boot = boot_id();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(spool.join(FILE))?;
    let mut known = String::new();
    file.read_to_string(&mut known)?;
    if known.lines().next_back() != Some(boot.as_str()) {
        file.write_all(format!("{boot}\n").as_bytes())?;
    }
    file.sync_all()?;
    make_last(spool)
}

/// Makes a run's spool outlive a power cut: what lies in it, by name, and its own name.
pub(crate) fn make_last(spool: &Path) -> Result<()> {
    let folders = spool.ancestors().take(3).filter(|folder| !folder.as_os_str().is_empty());
    folders.into_iter().try_for_each(|folder| File::open(folder)?.sync_all())
}

/// Whether commands of this run may have been started under another boot than this one.
pub(crate) fn has_rebooted(spool: &Path) -> bool {
    let boot = boot_id();
    match std::fs::read(spool.join(FILE)) {
        // A line that a power cut left half-written is none of this boot.
        Ok(known) => boot.is_empty() || String::from_utf8_lossy(&known).lines().any(|line| line != boot),
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_boot_is_told_from_this_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_rebooted(folder.path()), "no command was ever started");
        note(folder.path()).unwrap();
        note(folder.path()).unwrap();
        assert!(!has_rebooted(folder.path()));
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), format!("{}\n", boot_id()));
        for earlier in ["8b0c6f7e-0000-4000-8000-000000000000\n", "8b0c6f7e-00", "\0\0\0\0"] {
            std::fs::write(folder.path().join(FILE), earlier).unwrap();
            assert!(has_rebooted(folder.path()), "{earlier:?}");
            note(folder.path()).unwrap();
            assert!(has_rebooted(folder.path()), "what was started before the boot stays in doubt: {earlier:?}");
        }
    }
}
