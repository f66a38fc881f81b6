//! Commands on this host: what arrives, what is kept, and what becomes of them when somebody is killed.

use std::path::Path;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use playbook::actions::command::{CommandError, Ended, Recalled, change, look, recall};
use playbook::inventory::Inventory;

use crate::processes::{command_in, recorder_in};

use super::{context, hostile, kill, lines, runs, script, until};

const LONG: Duration = Duration::from_secs(30);

fn number(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// The recorder of a key, once it has started its command.
fn recorder_of(folder: &Path) -> u32 {
    until("the command", || command_in(folder));
    u32::try_from(until("the start", || recorder_in(folder))).unwrap()
}

/// The command's own process, once its recorder has noted it.
fn process_of(folder: &Path) -> Option<u32> {
    command_in(folder)?.try_into().ok()
}

#[tokio::test]
async fn hostile_values_arrive_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let (context, seen) = context(folder.path(), Inventory::default());
    let (command, expected) = hostile(None);
    let ended = look(&context, &command, LONG).await.unwrap();
    assert_eq!(ended.output.stdout.text, expected);
    assert_eq!(seen.lock().unwrap().as_slice(), expected.as_bytes());
    let ended = change(&context, &command, "hostile", LONG, false).await.unwrap();
    assert_eq!((ended.exit_code, ended.output.stdout.text), (Some(0), expected));
}

#[tokio::test]
async fn a_change_runs_once_per_key_and_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let count = folder.path().join("count");
    let command = script(None, &format!("echo ran >>{}; echo out; echo err >&2; exit 3", count.display()));
    let first = change(&context, &command, "k", LONG, false).await.unwrap();
    assert_eq!((first.exit_code, first.signal, first.timed_out), (Some(3), None, false));
    assert_eq!((first.output.stdout.text.as_str(), first.output.stderr.text.as_str()), ("out\n", "err\n"));
    let again = change(&context, &command, "k", LONG, false).await.unwrap();
    assert_eq!(again, first);
    assert_eq!(recall(&context, &command, "k", LONG).await, Recalled::Ended(first));
    assert_eq!(lines(&count), 1);
}

#[tokio::test]
async fn a_flood_of_output_is_counted_whole_and_kept_within_bounds() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let command = script(None, super::FLOOD);
    for ended in
        [look(&context, &command, LONG).await.unwrap(), change(&context, &command, "k", LONG, false).await.unwrap()]
    {
        assert_eq!(ended.output.stdout.bytes, 10_485_760);
        assert!(ended.output.stdout.truncated && ended.output.stdout.text.len() < 66_000);
        assert_eq!(ended.output.stdout.sha256, super::SHA256_OF_FLOOD);
    }
}

#[tokio::test]
async fn at_the_timeout_the_whole_group_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let pid = folder.path().join("pid");
    // A child that does not listen to SIGTERM, so that only the kill of the group ends it.
    let text = format!(
        "(trap '' TERM; echo $$ >/dev/null; sh -c 'echo $$ >{0}.new; mv {0}.new {0}; exec sleep 600') & wait",
        pid.display()
    );
    let command = script(None, &text);
    let began = Instant::now();
    let ended = change(&context, &command, "k", Duration::from_millis(300), false).await.unwrap();
    assert!(ended.timed_out, "{ended:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let child = number(&pid).unwrap();
    until("the end of the child", || (!runs(child)).then_some(()));
}

#[tokio::test]
async fn a_daemon_that_a_script_leaves_behind_goes_on_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let command = script(None, "sleep 600 & echo $!");
    for ended in [look(&context, &command, LONG).await, change(&context, &command, "k", LONG, false).await] {
        let ended: Ended = ended.unwrap();
        let daemon: u32 = ended.output.stdout.text.trim().parse().unwrap();
        assert!(runs(daemon));
        kill(daemon, Signal::SIGKILL);
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_was_not_started() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let mut command = script(None, "true");
    command.shell = Some("/no/such/shell".to_owned());
    assert!(
        matches!(look(&context, &command, LONG).await, Err(CommandError::Invalid(why)) if why.contains("/no/such/shell"))
    );
    assert!(matches!(change(&context, &command, "k", LONG, false).await, Err(CommandError::Unreachable(_))));
    assert!(matches!(recall(&context, &command, "k", LONG).await, Recalled::NeverStarted(_)));
}

#[tokio::test]
async fn what_was_called_never_started_never_starts() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let count = folder.path().join("count");
    let command = script(None, &format!("echo ran >>{}", count.display()));
    assert!(matches!(recall(&context, &command, "k", LONG).await, Recalled::NeverStarted(_)));
    assert!(matches!(change(&context, &command, "k", LONG, false).await, Err(CommandError::Unreachable(_))));
    // A recorder that comes late, as its runner was stopped between its steps, finds the mark too.
    late(folder.path(), "k", &count);
    assert_eq!(lines(&count), 0);
    // The control: where nobody was told anything it does start what it is given.
    std::fs::create_dir(folder.path().join("other")).unwrap();
    late(folder.path(), "other", &count);
    assert_eq!(lines(&count), 1);
}

/// Has a recorder of its own do a job in a folder, as a runner would, and waits for its end.
fn late(spool: &Path, name: &str, count: &Path) {
    use rustix::net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType};
    use std::os::fd::AsFd as _;
    let (socket, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let lock = std::fs::File::open(spool.join(name)).unwrap();
    let job = late_job(&format!("echo ran >>{}", count.display()));
    let rights = [lock.as_fd(), job.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&rights)));
    let name = [std::io::IoSlice::new(name.as_bytes())];
    rustix::net::sendmsg(&socket, &name, &mut control, SendFlags::empty()).unwrap();
    drop((socket, job, lock));
    let mut recorder = Process::new(env!("CARGO_BIN_EXE_playbook"))
        .args(["__recorder".as_ref(), spool.as_os_str()])
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    recorder.wait().unwrap();
}

/// The reading end of a socket on which a whole job waits.
fn late_job(text: &str) -> std::os::fd::OwnedFd {
    use std::io::Write as _;
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let job = serde_json::json!({
        "argv": ["sh", "-c", text], "environment": [], "stdin": null, "limit": {"secs": 5, "nanos": 0}
    });
    let job = job.to_string();
    ours.write_all(&u32::try_from(job.len()).unwrap().to_be_bytes()).unwrap();
    ours.write_all(job.as_bytes()).unwrap();
    theirs.into()
}

/// The processes that are a recorder of this spool.
fn recorders_of(spool: &Path) -> Vec<u32> {
    let is_one = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.get(1) == Some(&&b"__recorder"[..]) && words.get(2) == Some(&spool.as_os_str().as_encoded_bytes())
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    all.filter(is_one).collect()
}

#[tokio::test]
async fn one_recorder_serves_a_run_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let in_service = playbook::actions::recorder::InService::of(folder.path());
    let command = script(None, "echo out");
    for key in ["a", "b", "c"] {
        change(&context, &command, key, LONG, false).await.unwrap();
    }
    let first = recorders_of(folder.path());
    assert_eq!(first.len(), 1, "{first:?}");
    // One that was killed is replaced by the next command, and nothing is sent to it twice.
    kill(first[0], Signal::SIGKILL);
    until("its end", || (!runs(first[0])).then_some(()));
    let ended = change(&context, &command, "d", LONG, false).await.unwrap();
    assert_eq!(ended.output.stdout.text, "out\n");
    let second = recorders_of(folder.path());
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
    drop(in_service);
    until("its end", || recorders_of(folder.path()).is_empty().then_some(()));
}

#[tokio::test]
async fn a_recorder_that_is_killed_takes_the_ends_of_all_that_it_had_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let command = script(None, "exec sleep 600");
    let killer = async {
        let mut left = Vec::new();
        for key in ["a", "b"] {
            let spool = folder.path().join(key);
            while process_of(&spool).is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            left.extend(process_of(&spool));
        }
        let recorders = recorders_of(folder.path());
        assert_eq!(recorders.len(), 1, "both are in the hands of one");
        kill(recorders[0], Signal::SIGKILL);
        left
    };
    let (a, b, left) = tokio::join!(
        change(&context, &command, "a", LONG, false),
        change(&context, &command, "b", LONG, false),
        killer
    );
    for lost in [a, b] {
        assert!(matches!(&lost, Err(CommandError::Lost(why)) if why.contains("killed")), "{lost:?}");
    }
    left.into_iter().for_each(|pid| kill(pid, Signal::SIGKILL));
}

#[tokio::test]
async fn after_a_reboot_nobody_says_that_a_command_never_started() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let command = script(None, "echo out");
    let ended = change(&context, &command, "kept", LONG, false).await.unwrap();
    // The control: under the same boot, no trace means no start.
    assert!(matches!(recall(&context, &command, "before", LONG).await, Recalled::NeverStarted(_)));
    let boots = folder.path().join("boots");
    std::fs::write(&boots, "8b0c6f7e-0000-4000-8000-000000000000\n").unwrap();
    let lost = recall(&context, &command, "gone", LONG).await;
    assert!(matches!(&lost, Recalled::Lost(why) if why.contains("rebooted")), "{lost:?}");
    // What is there whole counts; a half of it does not.
    assert_eq!(recall(&context, &command, "kept", LONG).await, Recalled::Ended(ended));
    std::fs::write(folder.path().join("kept/status"), "{\"ended\":{\"exit").unwrap();
    let lost = recall(&context, &command, "kept", LONG).await;
    assert!(matches!(&lost, Recalled::Lost(_)), "{lost:?}");
    // What a runner begins after the reboot is known again, and what was lost stays lost.
    change(&context, &command, "new", LONG, false).await.unwrap();
    assert!(matches!(recall(&context, &command, "gone", LONG).await, Recalled::Lost(_)));
}

#[tokio::test]
async fn a_killed_recorder_leaves_an_outcome_that_nobody_knows() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let command = script(None, "echo half way; exec sleep 600");
    let spool = folder.path().join("k");
    let killer = std::thread::spawn(move || {
        let recorder = recorder_of(&spool);
        until("the output", || (lines(&spool.join("stdout")) == 1).then_some(()));
        kill(recorder, Signal::SIGTERM);
        kill(recorder, Signal::SIGHUP);
        assert!(runs(recorder), "a recorder survives what a terminal or an operator sends by accident");
        kill(recorder, Signal::SIGKILL);
        process_of(&spool).unwrap()
    });
    let lost = change(&context, &command, "k", LONG, false).await;
    let left_over = killer.join().unwrap();
    assert!(
        matches!(&lost, Err(CommandError::Lost(why)) if why.contains("killed") && why.contains("half way")),
        "{lost:?}"
    );
    assert!(matches!(recall(&context, &command, "k", LONG).await, Recalled::Lost(why) if why.contains("still runs")));
    kill(left_over, Signal::SIGKILL);
}

/// Not a test by itself: the process that `a_killed_runner…` starts and kills.
#[tokio::test]
async fn as_a_runner() {
    let Some(folder) = std::env::var_os("PLAYBOOK_TEST_RUNNER") else { return };
    let folder = Path::new(&folder);
    let (context, _) = context(folder, Inventory::default());
    let _ = change(&context, &slow(folder), "k", LONG, false).await;
}

/// Runs until a file says that it may end.
fn slow(folder: &Path) -> playbook::actions::command::Command {
    let text =
        "cd \"$FOLDER\"; echo ran >>count; echo before; until [ -e go ]; do sleep 0.01; done; echo after; exit 7";
    let mut command = script(None, text);
    command.environment = vec![("FOLDER".to_owned(), folder.display().to_string())];
    command
}

#[tokio::test]
async fn a_killed_runner_finds_the_outcome_and_the_command_ran_once() {
    use std::os::unix::process::CommandExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mut runner = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "command::local::as_a_runner"])
        .env("PLAYBOOK_TEST_RUNNER", folder.path())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    until("the command", || (lines(&folder.path().join("count")) == 1).then_some(()));
    // The whole group, as a closed terminal or a Ctrl-C would: the recorder is in a session of its own.
    let group = nix::unistd::Pid::from_raw(runner.id().try_into().unwrap());
    nix::sys::signal::killpg(group, Signal::SIGKILL).unwrap();
    runner.wait().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let command = slow(folder.path());
    let running = recall(&context, &command, "k", Duration::from_millis(50)).await;
    assert!(matches!(&running, Recalled::StillRunning(why) if why.contains("before")), "{running:?}");
    let (found, ()) = tokio::join!(recall(&context, &command, "k", LONG), async {
        std::fs::write(folder.path().join("go"), "").unwrap();
    });
    let Recalled::Ended(ended) = found else { panic!("{found:?}") };
    assert_eq!((ended.exit_code, ended.output.stdout.text.as_str()), (Some(7), "before\nafter\n"));
    assert_eq!(change(&context, &command, "k", LONG, false).await.unwrap(), ended);
    assert_eq!(lines(&folder.path().join("count")), 1);
}

#[tokio::test]
async fn secrets_stand_in_no_argument() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let mut command = script(None, "cat /proc/$PPID/cmdline /proc/$$/cmdline /proc/$PPID/environ | tr '\\0' '\\n'");
    command.environment = vec![("SECRET".to_owned(), "hunter2".to_owned())];
    let ended = change(&context, &command, "k", LONG, false).await.unwrap();
    assert!(ended.output.stdout.text.contains("__recorder"), "{ended:?}");
    assert!(!ended.output.stdout.text.contains("hunter2"), "{ended:?}");
}

#[tokio::test]
async fn a_change_costs_milliseconds() {
    let folder = tempfile::tempdir().unwrap();
    let (context, _) = context(folder.path(), Inventory::default());
    let mut command = script(None, "");
    command.work = playbook::actions::command::Work::Argv(vec!["true".to_owned()]);
    let mut times = Vec::new();
    for n in 0..20 {
        let began = Instant::now();
        change(&context, &command, &format!("k{n}"), LONG, false).await.unwrap();
        times.push(began.elapsed());
    }
    times.sort();
    assert!(times[10] < Duration::from_millis(200), "{times:?}");
    if std::env::var_os("PLAYBOOK_TEST_TIMES").is_some() {
        std::fs::write("/dev/stderr", format!("{times:?}\n")).unwrap();
    }
}

#[tokio::test]
async fn a_look_that_nobody_waits_for_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (context, seen) = context(folder.path(), Inventory::default());
    let command = script(None, "sleep 600 & echo $!; wait");
    let watched = async {
        while seen.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ended = look(&context, &command, LONG) => panic!("{ended:?}"),
        () = watched => {}
    }
    let child: u32 = String::from_utf8(seen.lock().unwrap().clone()).unwrap().trim().parse().unwrap();
    until("its end", || (!runs(child)).then_some(()));
}
