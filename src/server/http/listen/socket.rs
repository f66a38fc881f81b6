//! The socket's file. One that a server left behind when it was killed is replaced; one that somebody listens on, and anything
//! that is no socket, never is.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::ListenError;

/// The socket's file: it is removed when the server ends, unless another server has put its own there.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    inode: Option<u64>,
}

impl File {
    /// The file as it lies there now.
    pub fn of(path: PathBuf) -> Self {
        let inode = inode(&path);
        Self { path, inode }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if self.inode.is_some() && inode(&self.path) == self.inode {
            // What is left behind is replaced by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    path.symlink_metadata().ok().map(|data| data.ino())
}

/// Listens on a socket that is its owner's and its group's.
pub fn listen(path: &Path) -> Result<UnixListener, ListenError> {
    let taken = |source| ListenError::Taken { place: path.display().to_string(), source };
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(taken(error)),
        Ok(data) if !data.file_type().is_socket() => return Err(ListenError::NoSocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            // Nobody has it open any more: whoever made it was killed.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(taken)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(taken(error)),
            Ok(_) => return Err(ListenError::Answered(path.to_owned())),
        },
    }
    let listener = UnixListener::bind(path).map_err(taken)?;
    // Who connects before that is known by uid all the same, and has no role by it.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(taken)?;
    listener.set_nonblocking(true).map_err(taken)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_server_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = listen(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(listen(&path), Err(ListenError::Answered(_))));
        drop(first);
        assert!(path.exists(), "as after a kill");
        let second = listen(&path).unwrap();
        drop(File::of(path.clone()));
        assert!(!path.exists());
        drop(second);
        std::fs::write(&path, "text").unwrap();
        assert!(matches!(listen(&path), Err(ListenError::NoSocket(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
    }

    #[test]
    fn the_socket_of_another_server_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let ours = listen(&path).unwrap();
        let file = File::of(path.clone());
        std::fs::rename(&path, folder.path().join("old")).unwrap();
        let theirs = listen(&path).unwrap();
        drop((file, ours));
        assert!(path.exists());
        drop(theirs);
    }
}
