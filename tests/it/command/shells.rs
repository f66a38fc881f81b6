//! The shell that is kept on a host between looks: when there is a new one, and what never gets through it. Counted in the
//! log of a real sshd.

use std::time::Duration;

use nix::sys::signal::Signal;
use playbook::actions::command::{change, look};

use super::sshd::Sshd;
use super::{context, kill, lines, script, until};

const LONG: Duration = Duration::from_secs(30);

fn sshd() -> Sshd {
    Sshd::start_with("A=b\nLogLevel VERBOSE")
}

/// How often somebody was let in, and how many shells were started.
fn counts(sshd: &Sshd) -> (usize, usize) {
    let log = std::fs::read_to_string(sshd.at("log")).unwrap();
    (log.matches("Accepted publickey").count(), log.matches("Starting session").count())
}

/// Prints the process of the shell that it was begun by: the parent of its `timeout`.
const SHELL: &str = "read -r pid name state shell rest </proc/$PPID/stat; echo \"$shell\"";

#[tokio::test]
async fn one_shell_serves_all_looks_and_one_change() {
    let sshd = sshd();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    for number in 0..5 {
        let text = format!("printf 'out {number}'; printf 'err {number}' >&2; exit {number}");
        let ended = look(&context, &script(Some("db1"), &text), LONG).await.unwrap();
        let said = (ended.exit_code, ended.output.stdout.text, ended.output.stderr.text);
        assert_eq!(said, (Some(number), format!("out {number}"), format!("err {number}")));
    }
    assert_eq!(counts(&sshd), (1, 1));
    let ended = change(&context, &script(Some("db1"), "echo changed; exit 3"), "k", LONG, false).await.unwrap();
    assert_eq!((ended.exit_code, ended.output.stdout.text.as_str()), (Some(3), "changed\n"));
    assert_eq!(counts(&sshd), (1, 1));
    // What it has changed may decide what a new shell finds.
    look(&context, &script(Some("db1"), "true"), LONG).await.unwrap();
    assert_eq!(counts(&sshd), (1, 2));
    change(&context, &script(Some("db1"), "true"), "l", LONG, true).await.unwrap();
    change(&context, &script(Some("db1"), "true"), "m", LONG, true).await.unwrap();
    assert_eq!(counts(&sshd), (1, 3));
}

#[tokio::test]
async fn what_one_look_set_or_left_open_is_not_there_for_the_next() {
    let sshd = sshd();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let state = "pwd; umask; echo \"${SET-none}\"; set -- /proc/self/fd/*; echo $#; trap";
    let own = look(&context, &script(Some("db1"), state), LONG).await.unwrap().output.stdout.text;
    let mut sets =
        script(Some("db1"), "cd /; umask 077; SET=1; trap '' TERM USR1; read -r line <&3 || :; echo \"$line\"");
    sets.environment = vec![("SET".to_owned(), "2".to_owned())];
    // It finds nothing to read: what comes there are programs.
    assert_eq!(look(&context, &sets, LONG).await.unwrap().output.stdout.text, "\n");
    assert_eq!(look(&context, &script(Some("db1"), state), LONG).await.unwrap().output.stdout.text, own);
    assert_eq!(counts(&sshd), (1, 1));
}

#[tokio::test]
async fn whoever_a_look_leaves_behind_is_not_heard_in_the_next() {
    let sshd = sshd();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let (go, ended) = (sshd.at("go"), sshd.at("ended"));
    let waits = format!("(until [ -e {} ]; do sleep 0.01; done) &", go.display());
    let text = format!("{waits} echo $PPID >{0}.new; mv {0}.new {0}; echo now", ended.display());
    let heard = std::thread::spawn(move || {
        let limit: u32 = until("its end", || std::fs::read_to_string(&ended).ok()).trim().parse().unwrap();
        until("its end", || (!super::runs(limit)).then_some(()));
        std::fs::write(go, "").unwrap();
    });
    // As long as somebody may write there it has not ended, and its shell gets nothing more to do.
    let first = look(&context, &script(Some("db1"), &text), LONG).await.unwrap();
    assert_eq!(first.output.stdout.text, "now\n");
    heard.join().unwrap();
    let next = look(&context, &script(Some("db1"), "echo next"), LONG).await.unwrap();
    assert_eq!(next.output.stdout.text, "next\n");
    assert_eq!(counts(&sshd), (1, 2));
}

#[tokio::test]
async fn a_shell_that_is_gone_is_replaced_on_the_same_connection() {
    let sshd = sshd();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let shell = look(&context, &script(Some("db1"), SHELL), LONG).await.unwrap().output.stdout.text;
    let again = look(&context, &script(Some("db1"), SHELL), LONG).await.unwrap().output.stdout.text;
    assert_eq!(shell, again);
    kill(shell.trim().parse().unwrap(), Signal::SIGKILL);
    let count = sshd.at("count");
    let text = format!("echo ran >>{}", count.display());
    let ended = change(&context, &script(Some("db1"), &text), "k", LONG, false).await.unwrap();
    assert_eq!((ended.exit_code, lines(&count)), (Some(0), 1));
    assert_eq!(counts(&sshd), (1, 2));
}

#[tokio::test]
async fn nothing_is_called_on_a_connection_that_has_gone_silent() {
    let sshd = sshd();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    look(&context, &script(Some("db1"), "true"), LONG).await.unwrap();
    let server = sshd.server_id();
    let children = std::fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap();
    let children: Vec<u32> = children.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(!children.is_empty());
    // What is sent there is taken by the kernel, and nobody reads it.
    children.iter().for_each(|pid| kill(*pid, Signal::SIGSTOP));
    let count = sshd.at("count");
    let text = format!("echo ran >>{}", count.display());
    let ended = change(&context, &script(Some("db1"), &text), "k", LONG, false).await;
    // Now they read, and find that nobody has called anything.
    children.iter().for_each(|pid| kill(*pid, Signal::SIGCONT));
    assert_eq!(ended.unwrap().exit_code, Some(0), "another connection has served");
    until("the end of the silent one", || children.iter().all(|pid| !super::runs(*pid)).then_some(()));
    assert_eq!((lines(&count), counts(&sshd)), (1, (2, 2)));
}
