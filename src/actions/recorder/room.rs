//! Room on the disk for what recorders keep of commands that are yet to come: without it a full disk would let neither the
//! next step nor an undo begin. It is a file that is given up piece by piece. Somebody else may be faster to take such a
//! piece, so it is a help and no promise: it must never stop a run.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;

/// The name of the file in a run's spool.
const FILE: &str = "room";
/// What a command's folder needs at most, without output: that is given up first.
const COMMAND: u64 = 64 * 1024;
/// More than this is not set aside, however many commands there are.
const MOST: u64 = 64 * 1024 * 1024;

/// Sets room aside in a run's spool for so many commands. Where there is little left, others get it.
pub fn set_aside(spool: &Path, commands: u64) {
    let wanted = (commands * COMMAND).min(MOST);
    let plenty = free(spool).is_some_and(|free| free > 2 * wanted);
    let path = spool.join(FILE);
    if commands == 0 || !plenty || path.exists() {
        return;
    }
    let length = i64::try_from(wanted).unwrap_or(0);
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    if made.is_ok_and(|file| fallocate(&file, FallocateFlags::empty(), 0, length).is_err()) {
        let _ = std::fs::remove_file(path);
    }
}

/// Before a command's folder is made: where the disk is full, a piece of what was set aside is given up.
pub(crate) fn give_up(spool: &Path) {
    if free(spool).is_some_and(|free| free >= COMMAND) {
        return;
    }
    if let Ok(file) = OpenOptions::new().write(true).open(spool.join(FILE)) {
        let _ = shorten(&file);
    }
}

fn shorten(file: &File) -> std::io::Result<()> {
    let length = file.metadata()?.len();
    file.set_len(length.saturating_sub(COMMAND))?;
    // Some file systems hand freed blocks out only once that is written down.
    file.sync_all()
}

fn free(folder: &Path) -> Option<u64> {
    statvfs(folder).ok().map(|disk| disk.blocks_available() * disk.fragment_size())
}
