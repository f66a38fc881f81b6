//! One line to HAProxy's runtime socket and its answer, here or on the proxy's host. It knows nothing of what is said.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::HaproxyError;
use crate::actions::Context;
use crate::actions::command::{Command, CommandError, Work, change, look};
use crate::inventory::Proxy;

/// How long HAProxy has to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// The longest answer that is read: thousands of servers.
const LONGEST: u64 = 4 << 20;

// The socket is spoken to by whatever the host has for it. The line comes from the environment, never from this text.
const SPEAK: &str = r#"
case $PLAYBOOK_SOCKET in
  /*) if command -v socat >/dev/null 2>&1; then
        printf '%s\n' "$PLAYBOOK_LINE" | exec socat -t5 - "UNIX-CONNECT:$PLAYBOOK_SOCKET"
      elif command -v python3 >/dev/null 2>&1; then
        exec python3 -c 'import os, shutil, socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(os.environ["PLAYBOOK_SOCKET"])
s.sendall(os.environ["PLAYBOOK_LINE"].encode() + b"\n"); shutil.copyfileobj(s.makefile("rb"), sys.stdout.buffer)'
      elif nc -h 2>&1 | grep -q -- '-U'; then
        printf '%s\n' "$PLAYBOOK_LINE" | exec nc -w 5 -U "$PLAYBOOK_SOCKET"
      else
        echo "neither socat, python3 nor an nc with -U is here to speak to $PLAYBOOK_SOCKET: install socat" >&2; exit 96
      fi;;
  *)  if command -v socat >/dev/null 2>&1; then
        printf '%s\n' "$PLAYBOOK_LINE" | exec socat -t5 - "TCP:$PLAYBOOK_SOCKET"
      else
        printf '%s\n' "$PLAYBOOK_LINE" | exec nc -w 5 "${PLAYBOOK_SOCKET%:*}" "${PLAYBOOK_SOCKET##*:}"
      fi;;
esac
"#;

/// Asks; nothing is changed by the line.
pub(super) async fn ask(context: &Context, proxy: &Proxy, line: &str) -> Result<String, HaproxyError> {
    match &proxy.host {
        None => here(proxy, line).await,
        Some(host) => {
            // Whoever watches the step is told what came of it, not the tables that it was read from.
            let quiet = context.quiet();
            let ended = look(&quiet, &there(host, proxy, line), ANSWER * 2).await;
            answer(proxy, host, ended)
        }
    }
}

/// Tells; the line changes something.
pub(super) async fn tell(context: &Context, proxy: &Proxy, line: &str, key: &str) -> Result<String, HaproxyError> {
    match &proxy.host {
        None => here(proxy, line).await,
        Some(host) => {
            let ended = change(context, &there(host, proxy, line), key, ANSWER * 2, true).await;
            answer(proxy, host, ended)
        }
    }
}

fn there(host: &str, proxy: &Proxy, line: &str) -> Command {
    Command {
        host: Some(host.to_owned()),
        work: Work::Script(SPEAK.to_owned()),
        environment: vec![
            ("PLAYBOOK_SOCKET".to_owned(), proxy.socket.clone()),
            ("PLAYBOOK_LINE".to_owned(), line.to_owned()),
        ],
        shell: None,
        become_user: None,
    }
}

fn answer(
    proxy: &Proxy,
    host: &str,
    ended: Result<crate::actions::command::Ended, CommandError>,
) -> Result<String, HaproxyError> {
    match ended {
        Ok(ended) if ended.exit_code == Some(0) => Ok(ended.output.stdout.text),
        Ok(ended) => Err(HaproxyError::Lost(format!(
            "HAProxy's socket {} on {host} gives no answer: {}",
            proxy.socket,
            ended.output.stderr.text.trim()
        ))),
        Err(CommandError::Unreachable(text)) => Err(HaproxyError::Unreachable(text)),
        Err(CommandError::Lost(text)) => Err(HaproxyError::Lost(text)),
        Err(CommandError::Invalid(text)) => Err(HaproxyError::Invalid(text)),
    }
}

async fn here(proxy: &Proxy, line: &str) -> Result<String, HaproxyError> {
    let unreachable = |error: std::io::Error| {
        HaproxyError::Unreachable(format!("HAProxy's socket {} cannot be reached: {error}", proxy.socket))
    };
    let silent = || HaproxyError::Unreachable(format!("HAProxy's socket {} accepts no connection", proxy.socket));
    if proxy.socket.starts_with('/') {
        let connecting = tokio::time::timeout(ANSWER, UnixStream::connect(&proxy.socket));
        speak(connecting.await.map_err(|_| silent())?.map_err(unreachable)?, proxy, line).await
    } else {
        let connecting = tokio::time::timeout(ANSWER, TcpStream::connect(&proxy.socket));
        speak(connecting.await.map_err(|_| silent())?.map_err(unreachable)?, proxy, line).await
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    proxy: &Proxy,
    line: &str,
) -> Result<String, HaproxyError> {
    let exchange = async {
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    match tokio::time::timeout(ANSWER, exchange).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(HaproxyError::Lost(format!("HAProxy's socket {} broke off: {error}", proxy.socket))),
        Err(_) => Err(HaproxyError::Lost(format!("HAProxy's socket {} does not answer", proxy.socket))),
    }
}
