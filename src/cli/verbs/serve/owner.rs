//! Who owns a state: at most one server at a time. It is the lock on a file beside the journal, which the kernel frees when the
//! process is gone, however it went; what stands in the file is only for people. That no other server lives is what lets this
//! one take up what the one before it has left.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::clock;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::engine::holder;

/// The ownership of a state, until it is dropped.
#[derive(Debug)]
pub(super) struct Owner {
    file: File,
    who: String,
}

impl Owner {
    /// Takes a state, whose journal is this file.
    ///
    /// # Errors
    /// When another server has it.
    pub(super) fn of(journal: &Path) -> Result<Self, Failure> {
        let path = file_of(journal);
        let fault = |error: std::io::Error| {
            Failure::new(Exit::Journal, format!("{} cannot be used: {error}", path.display()))
                .meaning("nothing is served: whether another server owns the state cannot be told")
        };
        // A recorder must not inherit it, or a dead server would go on owning the state: Rust opens files so.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fault)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut who = String::new();
                let _ = file.read_to_string(&mut who);
                let who = if who.trim().is_empty() { "another process" } else { who.trim() };
                return Err(Failure::new(Exit::Locked, format!("the state is served already, by {who}"))
                    .meaning("nothing was started; two servers would each take up the runs of the other")
                    .next("end that one first (SIGTERM), or serve another state: --state DIR"));
            }
            Err(TryLockError::Error(error)) => return Err(fault(error)),
        }
        let me = holder::this_process();
        let since = clock::date_and_time(clock::now());
        let who = format!("process {} of {} on {}, since {since} UTC", me.pid, me.user, me.host);
        let owner = Self { file, who };
        owner.write("").map_err(fault)?;
        Ok(owner)
    }

    /// Adds where it listens, for whoever meets the lock.
    pub(super) fn listens(&self, places: &str) {
        // It is only told: a disk that is full by now is no reason to end.
        let _ = self.write(places);
    }

    fn write(&self, places: &str) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        let at = if places.is_empty() { String::new() } else { format!(", on {places}") };
        writeln!(file, "{}{at}", self.who)
    }
}

/// Which server owns a state just now, if one lives.
pub(in crate::cli) fn owner_of(journal: &Path) -> Option<String> {
    let mut file = File::open(file_of(journal)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            let mut who = String::new();
            let _ = file.read_to_string(&mut who);
            Some(who.trim().to_owned()).filter(|who| !who.is_empty()).or_else(|| Some("a process".to_owned()))
        }
        _ => None,
    }
}

/// The file beside a journal.
fn file_of(journal: &Path) -> PathBuf {
    let mut name = journal.file_name().unwrap_or_default().to_owned();
    name.push(".served");
    journal.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_one_server_and_a_second_one_hears_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("playbook.sqlite3");
        let owner = Owner::of(&journal).unwrap();
        owner.listens("127.0.0.1:7341");
        assert!(owner_of(&journal).unwrap().contains("on 127.0.0.1:7341"));
        let refused = Owner::of(&journal).unwrap_err();
        assert_eq!(refused.exit, Exit::Locked);
        for part in [&format!("process {} of ", std::process::id()), "on 127.0.0.1:7341"] {
            assert!(refused.what.contains(part), "{}", refused.what);
        }
        assert!(Owner::of(&folder.path().join("other.sqlite3")).is_ok());
        drop(owner);
        assert_eq!(owner_of(&journal), None);
        assert!(Owner::of(&journal).is_ok());
    }
}
