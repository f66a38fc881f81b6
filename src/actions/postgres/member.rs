//! What is done on a member's host, through commands: look at its server's processes and control file, stop it, start it.
//! Scripts here are fixed texts; every value reaches them through the environment.

use std::time::Duration;

use super::PostgresError;
use super::lsn::Lsn;
use crate::actions::Context;
use crate::actions::command::{Command, CommandError, Ended, Work, change, look};
use crate::inventory::Member;

/// How long a look at a host may take.
pub(super) const LOOK: Duration = Duration::from_secs(10);

// The tools of PostgreSQL refuse root and want the data folder's owner: become that user where we are another one.
const AS_OWNER: &str = r#"
LC_ALL=C; export LC_ALL
cd / || exit 96
owner=$(stat -c %U -- "$PLAYBOOK_DATA") || exit 96
if [ "$(id -un)" = "$owner" ]; then exec /bin/sh -c "$PLAYBOOK_BODY"; fi
if [ "$(id -u)" = 0 ]; then exec runuser -u "$owner" -- /bin/sh -c "$PLAYBOOK_BODY"; fi
exec sudo -n -u "$owner" "--preserve-env=LC_ALL,$PLAYBOOK_NAMES" -- /bin/sh -c "$PLAYBOOK_BODY"
"#;

// A server's processes have the data folder as their working folder. A process id in a file proves nothing: it may be
// another program's by now, and a server killed hard leaves children that still finish a statement.
const INSPECT: &str = r#"
real=$(readlink -f -- "$PLAYBOOK_DATA"); export real
if [ -e /proc/self/cwd ]; then
  ls -l /proc/[0-9]*/cwd 2>/dev/null | awk 'BEGIN { end = " -> " ENVIRON["real"] }
    substr($0, length($0) - length(end) + 1) == end && match($0, /\/proc\/[0-9]+\//) { print substr($0, RSTART + 6, RLENGTH - 7) }' |
  while read -r pid; do
    case $(cat "/proc/$pid/comm" 2>/dev/null) in postgres|postmaster) echo "process=$pid";; esac
  done
else
  "$PLAYBOOK_BIN/pg_ctl" -D "$PLAYBOOK_DATA" status >/dev/null 2>&1 && echo "process=0"
fi
[ -e "$PLAYBOOK_DATA/standby.signal" ] && echo "standby=yes"
exec "$PLAYBOOK_BIN/pg_controldata" -D "$PLAYBOOK_DATA"
"#;

const STOP: &str =
    r#"exec "$PLAYBOOK_BIN/pg_ctl" -D "$PLAYBOOK_DATA" stop -m "$PLAYBOOK_MODE" -w -t "$PLAYBOOK_SECONDS""#;

// `restart` of a server that does not run starts it with the options that it had the last time; `start` forgets them, and
// is right only where there are none; what it says of the server that is not there would only alarm. Standard output goes to a file, as the server would hold ours open for ever.
const START: &str = r#"
if [ -f "$PLAYBOOK_DATA/postmaster.opts" ]; then how=restart; else how=start; fi
said=$("$PLAYBOOK_BIN/pg_ctl" -D "$PLAYBOOK_DATA" "$how" -w -t "$PLAYBOOK_SECONDS" -l "$PLAYBOOK_DATA/playbook-start.log" 2>&1)
code=$?
printf '%s\n' "$said" | grep -v -e 'PID file .* does not exist' -e 'Is server running' -e 'trying to start server anyway'
exit $code
"#;

const KILL: &str = r#"
for pid in $PLAYBOOK_PIDS; do
  case $(cat "/proc/$pid/comm" 2>/dev/null) in postgres|postmaster) kill -9 "$pid";; esac
done
exit 0
"#;

// Reads from the last checkpoint to where the log ends; the last line is the last whole record.
const END_OF_LOG: &str = r#"
"$PLAYBOOK_BIN/pg_waldump" -p "$PLAYBOOK_DATA/pg_wal" -t "$PLAYBOOK_TIMELINE" -s "$PLAYBOOK_START" 2>/dev/null | tail -n 1
"#;

/// A server as its host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnHost {
    /// The processes that serve its data folder.
    pub(super) processes: Vec<u32>,
    pub(super) system_identifier: String,
    /// `in production`, `shut down`, …
    pub(super) state: String,
    /// Where the record of its last checkpoint begins.
    pub(super) checkpoint: Lsn,
    pub(super) timeline: i64,
    /// It would start as a standby.
    pub(super) standby: bool,
}

/// The wrapping of a fixed script for a member's host.
pub(super) fn as_owner(member: &Member, body: &str, values: &[(&str, String)]) -> Command {
    let mut environment: Vec<(String, String)> = vec![
        ("PLAYBOOK_DATA".to_owned(), member.data_directory.display().to_string()),
        ("PLAYBOOK_BIN".to_owned(), member.bin_directory.display().to_string()),
        ("PLAYBOOK_BODY".to_owned(), body.to_owned()),
    ];
    environment.extend(values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    let names: Vec<&str> = environment.iter().map(|(name, _)| name.as_str()).collect();
    environment.push(("PLAYBOOK_NAMES".to_owned(), names.join(",")));
    Command {
        host: member.host.clone(),
        work: Work::Script(AS_OWNER.to_owned()),
        environment,
        shell: None,
        become_user: None,
    }
}

/// Looks at a member's processes and control file.
pub(super) async fn inspect(context: &Context, member: &Member) -> Result<OnHost, PostgresError> {
    let ended = look(&context.quiet(), &as_owner(member, INSPECT, &[]), LOOK).await.map_err(before_start)?;
    if ended.exit_code != Some(0) {
        return Err(PostgresError::Unreachable(format!(
            "its data folder {} cannot be looked at on {}: {}",
            member.data_directory.display(),
            place(member),
            ended.last_words()
        )));
    }
    read_control(&ended.output.stdout.text)
        .ok_or_else(|| PostgresError::Unreachable(format!("pg_controldata on {} gives no answer", place(member))))
}

fn read_control(text: &str) -> Option<OnHost> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some(OnHost {
        processes: text.lines().filter_map(|line| line.strip_prefix("process=")?.parse().ok()).collect(),
        system_identifier: value("Database system identifier:")?.to_owned(),
        state: value("Database cluster state:")?.to_owned(),
        checkpoint: value("Latest checkpoint location:")?.parse().ok()?,
        timeline: value("Latest checkpoint's TimeLineID:")?.parse().ok()?,
        standby: value("standby=") == Some("yes"),
    })
}

/// Stops a server: cleanly by the inventory's command or `pg_ctl`, or at once.
pub(super) async fn stop(
    context: &Context,
    member: &Member,
    key: &str,
    at_once: bool,
    limit: Duration,
) -> Result<Ended, PostgresError> {
    let mode = if at_once { "immediate" } else { "fast" };
    let command = match &member.stop {
        Some(argv) if !at_once => own_command(member, argv),
        _ => as_owner(
            member,
            STOP,
            &[("PLAYBOOK_MODE", mode.to_owned()), ("PLAYBOOK_SECONDS", limit.as_secs().max(1).to_string())],
        ),
    };
    change(context, &command, key, limit + LOOK, false).await.map_err(before_start)
}

/// Starts a server that does not run.
pub(super) async fn start(
    context: &Context,
    member: &Member,
    key: &str,
    limit: Duration,
) -> Result<Ended, PostgresError> {
    let command = match &member.start {
        Some(argv) => own_command(member, argv),
        None => as_owner(member, START, &[("PLAYBOOK_SECONDS", limit.as_secs().max(1).to_string())]),
    };
    change(context, &command, key, limit + LOOK, false).await.map_err(before_start)
}

/// Kills the processes of a server that was stopped and left some.
pub(super) async fn kill(
    context: &Context,
    member: &Member,
    key: &str,
    processes: &[u32],
) -> Result<Ended, PostgresError> {
    let pids: Vec<String> = processes.iter().filter(|pid| **pid > 1).map(u32::to_string).collect();
    let command = as_owner(member, KILL, &[("PLAYBOOK_PIDS", pids.join(" "))]);
    change(context, &command, key, LOOK, true).await.map_err(before_start)
}

/// Where the log of a stopped server ends, if it can be read.
pub(super) async fn end_of_log(context: &Context, member: &Member, seen: &OnHost, limit: Duration) -> Option<Lsn> {
    let values = [("PLAYBOOK_TIMELINE", seen.timeline.to_string()), ("PLAYBOOK_START", seen.checkpoint.to_string())];
    let ended = look(&context.quiet(), &as_owner(member, END_OF_LOG, &values), limit).await.ok()?;
    read_end(&ended.output.stdout.text)
}

fn read_end(line: &str) -> Option<Lsn> {
    let after = |word: &str| line.split_once(word).map(|(_, rest)| rest.trim_start());
    // `len (rec/tot): 114/   114, tx: 0, lsn: 0/01500028, prev …`
    let total: u64 = after("len (rec/tot):")?.split_once('/')?.1.split(',').next()?.trim().parse().ok()?;
    let start: Lsn = after("lsn:")?.split(',').next()?.parse().ok()?;
    // Records are aligned to eight bytes.
    Some(Lsn(start.0 + total.div_ceil(8) * 8))
}

/// Where a member's server runs, for a person.
pub(super) fn place(member: &Member) -> String {
    member.host.clone().unwrap_or_else(|| "this host".to_owned())
}

/// What a command's error means here.
pub(super) fn before_start(error: CommandError) -> PostgresError {
    match error {
        CommandError::Unreachable(text) => PostgresError::Unreachable(text),
        CommandError::Lost(text) => PostgresError::Lost(text),
        CommandError::Invalid(text) => PostgresError::Invalid(text),
    }
}

fn own_command(member: &Member, argv: &[String]) -> Command {
    Command {
        host: member.host.clone(),
        work: Work::Argv(argv.to_vec()),
        environment: Vec::new(),
        shell: None,
        become_user: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_log_is_the_end_of_its_last_record() {
        let line =
            "rmgr: Standby     len (rec/tot):     50/    50, tx:          0, lsn: 0/030000D8, prev 0/030000A0, desc: x";
        assert_eq!(read_end(line), Some(Lsn(0x0300_00D8 + 56)));
        assert_eq!(read_end(""), None);
    }

    #[test]
    fn a_control_file_is_read() {
        let text = "process=12\nprocess=13\nDatabase system identifier:           7300\nDatabase cluster state:               shut down\n\
            Latest checkpoint location:           0/3000148\nLatest checkpoint's TimeLineID:       2\n";
        let seen = read_control(text).unwrap();
        assert_eq!(
            (seen.processes.as_slice(), seen.state.as_str(), seen.timeline),
            ([12, 13].as_slice(), "shut down", 2)
        );
        assert!(!seen.standby);
        assert_eq!(read_control("nothing"), None);
    }
}
