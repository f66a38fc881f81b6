//! Secrets that lie on this machine in the clear: a variable, a file. Nothing of what was read is ever part of an error.

use std::io::Read as _;

use super::MOST;

pub(super) fn variable(name: &str) -> Result<String, String> {
    std::env::var_os(name)
        .ok_or_else(|| format!("the environment variable {name} is not set"))?
        .into_string()
        .map_err(|_| format!("the environment variable {name} is not valid UTF-8"))
}

/// Reads a file on a thread of its own: one on a network, or a pipe that nobody writes to, may never answer, and neither the
/// run beside it nor the end of the process may wait for that.
pub(super) async fn file(path: &str) -> Result<String, String> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let path = path.to_owned();
    let read = move || {
        let mut bytes = Vec::new();
        let answer = std::fs::File::open(path).and_then(|file| file.take(MOST as u64 + 3).read_to_end(&mut bytes));
        // Whoever asked may have stopped waiting.
        let _ = tell.send(answer.map(|_| bytes));
    };
    std::thread::Builder::new().name("secret".to_owned()).spawn(read).map_err(|error| error.to_string())?;
    let bytes = told.await.map_err(|_| "reading it came to no end".to_owned())?.map_err(|error| error.to_string())?;
    // The error of the conversion would hold the bytes.
    String::from_utf8(bytes).map_err(|_| "it is not valid UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pipe_that_nobody_writes_to_holds_up_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let path = path.display().to_string();
        tokio::select! {
            biased;
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
            _ = file(&path) => panic!("nobody wrote"),
        }
        std::fs::write(&path, "now").unwrap();
    }
}
