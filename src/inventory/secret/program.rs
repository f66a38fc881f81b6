//! Secrets that a program prints: `exec:` (sops, pass, op, a script of one's own) and `age:`. The program gets no terminal, no
//! shell, and no secret of ours; it is killed with its children when its time is over. What it printed on standard output is
//! never part of an error, whatever became of it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use super::{MOST, Masker};

/// How long a program may take. Shorter than what reading a secret may take in all, so that it is named when it is late.
const LIMIT: Duration = Duration::from_secs(18);
/// How much of what it says of a failure is told.
const TOLD: usize = 300;

/// What a program prints.
pub(super) async fn output(words: &[String]) -> Result<String, String> {
    run(words, LIMIT).await
}

/// What is in a file that age has encrypted.
pub(super) async fn decrypted(path: &str) -> Result<String, String> {
    let identity = identity(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))?;
    let words = ["age", "--decrypt", "--identity", &identity.display().to_string(), "--", path];
    run(&words.map(str::to_owned), LIMIT).await
}

/// The file with the key: ours, else that of sops, as people have it already. The environment is passed in, as a test cannot
/// change its own.
fn identity(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<PathBuf, String> {
    if let Some(path) = variable("PLAYBOOK_AGE_IDENTITY").or_else(|| variable("SOPS_AGE_KEY_FILE")) {
        return Ok(path);
    }
    let folder = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    let usual = folder.map(|folder| folder.join("sops/age/keys.txt"));
    match usual {
        Some(path) if path.exists() => Ok(path),
        _ => Err("there is no key to decrypt it with: name its file in $PLAYBOOK_AGE_IDENTITY (or $SOPS_AGE_KEY_FILE)"
            .to_owned()),
    }
}

/// Ends the whole group of a program when nobody waits for it any more: a helper of it that lived on would keep its pipe.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone, which is as good.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

async fn run(words: &[String], limit: Duration) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else { return Err("it names no program".to_owned()) };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("the program {program} is not installed here (nothing of that name is in PATH)")
        }
        _ => format!("the program {program} cannot be started: {error}"),
    })?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let all = async { tokio::join!(ended(&mut child), kept(stdout), kept(stderr)) };
    let (status, printed, said) = tokio::time::timeout(limit, all).await.map_err(|_| {
        format!("{program} has not ended within {} s and was killed; it may wait for somebody to type", limit.as_secs())
    })?;
    // From here on the number may be another's.
    group.0 = None;
    let status = status.map_err(|error| format!("how {program} ended is not known: {error}"))?;
    if !status.success() {
        return Err(format!("{program} failed ({status}){}", told(&said, &printed)));
    }
    String::from_utf8(printed).map_err(|_| format!("what {program} printed is not valid UTF-8"))
}

async fn ended(child: &mut Child) -> std::io::Result<std::process::ExitStatus> {
    child.wait().await
}

/// What comes out of a pipe. More than any secret has is read and forgotten, so that the program can come to its end.
async fn kept(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Some(mut pipe) = pipe else { return bytes };
    let mut piece = [0_u8; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut piece).await {
        let room = (MOST + 3).saturating_sub(bytes.len()).min(count);
        bytes.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
    bytes
}

/// What a program said of its failure, without what it printed: that may have been the secret, or half of it.
fn told(said: &[u8], printed: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(said).trim().to_owned();
    if let Ok(printed) = std::str::from_utf8(printed) {
        text = Masker::of_text(printed).text(&text);
    }
    let short: String = text.chars().take(TOLD).collect();
    if short.is_empty() { String::new() } else { format!(": {}", short.replace('\n', "; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sh(script: &str, limit: Duration) -> Result<String, String> {
        run(&["sh", "-c", script].map(str::to_owned), limit).await
    }

    #[tokio::test]
    async fn what_a_program_prints_is_the_secret_and_what_it_says_of_a_failure_is_told() {
        assert_eq!(sh("echo swordfish", LIMIT).await, Ok("swordfish\n".to_owned()));
        let error = sh("echo half-of-it; echo no key >&2; echo got half-of-it >&2; exit 3", LIMIT).await.unwrap_err();
        assert_eq!(error, "sh failed (exit status: 3): no key; got ***");
        let error = run(&["no-such-program-here".to_owned()], LIMIT).await.unwrap_err();
        assert!(error.contains("no-such-program-here is not installed"), "{error}");
        assert_eq!(sh("yes | head -c 10000000 >&2; echo fine", LIMIT).await, Ok("fine\n".to_owned()));
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("pid").display().to_string();
        let script = format!("sleep 1000 & echo $! >{place}; wait");
        let error = sh(&script, Duration::from_millis(500)).await.unwrap_err();
        assert!(error.contains("has not ended within"), "{error}");
        let pid: i32 = std::fs::read_to_string(&place).unwrap().trim().parse().unwrap();
        let gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        for _ in 0..500 {
            if gone() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("its child {pid} lives on");
    }

    #[test]
    fn the_key_is_looked_for_where_people_have_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_path_buf();
        let found = |ours: Option<&str>, sops: Option<&str>| {
            identity(|name| match name {
                "PLAYBOOK_AGE_IDENTITY" => ours.map(PathBuf::from),
                "SOPS_AGE_KEY_FILE" => sops.map(PathBuf::from),
                "HOME" => Some(home.clone()),
                _ => None,
            })
        };
        assert!(found(None, None).unwrap_err().contains("$PLAYBOOK_AGE_IDENTITY"));
        std::fs::create_dir_all(home.join(".config/sops/age")).unwrap();
        std::fs::write(home.join(".config/sops/age/keys.txt"), "").unwrap();
        assert_eq!(found(None, None), Ok(home.join(".config/sops/age/keys.txt")));
        assert_eq!(found(None, Some("/s")), Ok("/s".into()));
        assert_eq!(found(Some("/o"), Some("/s")), Ok("/o".into()));
    }
}
