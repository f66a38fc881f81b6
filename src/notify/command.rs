//! A person is called by a command. It gets a process group of its own, so that at its limit all of it is killed; it never
//! goes through a shell.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::{Notifier, NotifyError, PageText, presentable};

/// How much of the output is kept; the rest is read and dropped, so that the command never blocks on it.
const KEPT_BYTES: usize = 4096;

/// Runs a command with the text on its standard input.
#[derive(Debug, Clone)]
pub struct CommandNotifier {
    argv: Vec<String>,
    limit: Duration,
}

impl CommandNotifier {
    /// The command as an argument list.
    pub fn new(argv: Vec<String>) -> Self {
        Self { argv, limit: Duration::from_secs(10) }
    }

    fn program(&self) -> String {
        self.argv.first().cloned().unwrap_or_default()
    }
}

/// What became of a command.
pub(super) enum Ran {
    /// It ended, and said this.
    Ended {
        /// How.
        status: ExitStatus,
        /// The beginning of what it printed.
        said: String,
    },
    /// It took too long: it and all of its group were killed.
    TooSlow,
    /// It did not start.
    CannotStart(std::io::Error),
}

/// Runs a command with a text on its input, for so long at most.
pub(super) async fn run(argv: &[String], variables: &[(&str, String)], text: &str, limit: Duration) -> Ran {
    let started = Command::new(argv.first().map_or("", String::as_str))
        .args(argv.iter().skip(1))
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Ran::CannotStart(error),
    };
    let mut said = Vec::new();
    match tokio::time::timeout(limit, converse(&mut child, text, &mut said)).await {
        Ok(Ok(status)) => Ran::Ended { status, said: presentable(&said) },
        Ok(Err(error)) => {
            kill(&mut child).await;
            Ran::CannotStart(error)
        }
        Err(_) => {
            kill(&mut child).await;
            Ran::TooSlow
        }
    }
}

#[async_trait]
impl Notifier for CommandNotifier {
    fn name(&self) -> String {
        format!("page command {}", self.program())
    }

    async fn send(&self, page: &PageText) -> Result<String, NotifyError> {
        let program = self.program();
        let variables = [
            ("PLAYBOOK_RUN", page.run.clone()),
            ("PLAYBOOK_NAME", page.playbook.clone()),
            ("PLAYBOOK_STEP", page.step.clone()),
            ("PLAYBOOK_QUESTION", page.question.clone()),
        ];
        match run(&self.argv, &variables, &page.text, self.limit).await {
            Ran::Ended { status, said } if status.success() => Ok(said),
            Ran::Ended { status, said } => Err(NotifyError::Failed { program, status: status.to_string(), said }),
            Ran::CannotStart(source) => Err(NotifyError::CannotStart { program, source }),
            Ran::TooSlow => {
                let what = format!("the page command `{program}`");
                Err(NotifyError::TooSlow { what, seconds: self.limit.as_secs() })
            }
        }
    }
}

/// Hands over the text, takes what is said, and waits for the end of the command.
async fn converse(child: &mut Child, text: &str, said: &mut Vec<u8>) -> std::io::Result<ExitStatus> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut complaints = Vec::new();
    let status = {
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A command that does not read its input is not at fault.
                let _ = stdin.write_all(text.as_bytes()).await;
            }
        };
        let streams = async { tokio::join!(feed, keep(stdout, said), keep(stderr, &mut complaints)) };
        tokio::pin!(streams);
        let mut read_out = false;
        loop {
            tokio::select! {
                status = child.wait() => {
                    // Something that it left in the background may hold the pipes open: what was said is there by now.
                    if !read_out {
                        let _ = tokio::time::timeout(Duration::from_millis(250), &mut streams).await;
                    }
                    break status;
                }
                _ = &mut streams, if !read_out => read_out = true,
            }
        }
    };
    if said.is_empty() {
        *said = complaints;
    }
    status
}

async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut piece = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        let room = KEPT_BYTES.saturating_sub(kept.len()).min(count);
        kept.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
}

/// Kills the command's whole process group and reaps the command.
async fn kill(child: &mut Child) {
    // Only while it is not reaped: until then its id cannot have become somebody else's.
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    }
    let _ = child.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> PageText {
        PageText {
            run: "r-1".to_owned(),
            playbook: "db-failover".to_owned(),
            step: "fence".to_owned(),
            question: "did it take effect?".to_owned(),
            text: "the whole story\n".to_owned(),
        }
    }

    fn shell(script: &str) -> CommandNotifier {
        CommandNotifier::new(["sh", "-c", script].map(str::to_owned).to_vec())
    }

    #[tokio::test]
    async fn the_command_gets_the_text_and_the_names() {
        let script = "cat; echo $PLAYBOOK_RUN/$PLAYBOOK_NAME/$PLAYBOOK_STEP/$PLAYBOOK_QUESTION";
        let said = shell(script).send(&page()).await.unwrap();
        assert_eq!(said, "the whole story r-1/db-failover/fence/did it take effect?");
    }

    #[tokio::test]
    async fn a_failure_says_how_and_why() {
        let error = shell("echo no route >&2; exit 7").send(&page()).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 7") && error.contains("no route"), "{error}");
        let missing = CommandNotifier::new(vec!["/nonexistent/pager".to_owned()]);
        let error = missing.send(&page()).await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/pager"), "{error}");
        assert!(CommandNotifier::new(vec![]).send(&page()).await.is_err());
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("child");
        let mut notifier = shell(&format!("sleep 600 & echo $! > {}; wait", path.display()));
        notifier.limit = Duration::from_millis(500);
        let error = notifier.send(&page()).await.unwrap_err().to_string();
        assert!(error.contains("took longer"), "{error}");
        let child: i32 = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
        // It is dead at once, but whoever adopted it may still have to reap it.
        let dead = || match std::fs::read_to_string(format!("/proc/{child}/stat")) {
            Ok(stat) => stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')),
            Err(_) => true,
        };
        for _ in 0..200 {
            if dead() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the child {child} lives on");
    }

    #[tokio::test]
    async fn much_output_and_a_background_child_do_not_block() {
        let script = "head -c 1000000 /dev/zero | tr '\\0' x; sleep 5 & exit 0";
        let started = std::time::Instant::now();
        let said = shell(script).send(&page()).await.unwrap();
        assert!(said.starts_with("xxx"));
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }
}
