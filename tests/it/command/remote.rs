//! Commands over ssh, against a real sshd on loopback.

use std::time::{Duration, Instant};

use playbook::actions::command::{CommandError, Recalled, change, look, recall, recall_sent};

use super::sshd::Sshd;
use super::{context, hostile, lines, runs, script, until};

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn hostile_values_arrive_unchanged() {
    let sshd = Sshd::start();
    let (context, seen) = context(sshd.folder.path(), sshd.inventory());
    let (command, expected) = hostile(Some("db1"));
    let ended = look(&context, &command, LONG).await.unwrap();
    assert_eq!((ended.exit_code, ended.output.stdout.text.as_str()), (Some(0), expected.as_str()), "{ended:?}");
    let ended = change(&context, &command, "k", LONG, false).await.unwrap();
    assert_eq!((ended.exit_code, ended.output.stdout.text.as_str()), (Some(0), expected.as_str()), "{ended:?}");
    assert_eq!(seen.lock().unwrap().as_slice(), expected.repeat(2).as_bytes());
}

#[tokio::test]
async fn a_change_runs_once_per_key_and_is_remembered() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let count = sshd.at("count");
    let text = format!("echo ran >>{}; echo out; echo err >&2; exit 3", count.display());
    let command = script(Some("db1"), &text);
    let first = change(&context, &command, "k", LONG, false).await.unwrap();
    assert_eq!((first.exit_code, first.timed_out), (Some(3), false));
    assert_eq!((first.output.stdout.text.as_str(), first.output.stderr.text.as_str()), ("out\n", "err\n"));
    assert_eq!(change(&context, &command, "k", LONG, false).await.unwrap(), first);
    assert_eq!(recall(&context, &command, "k", LONG).await, Recalled::Ended(first));
    assert_eq!(lines(&count), 1);
    let ended = look(&context, &script(Some("db1"), "echo seen; exit 5"), LONG).await.unwrap();
    assert_eq!((ended.exit_code, ended.output.stdout.text.as_str()), (Some(5), "seen\n"));
    // Variables may be secrets: nothing of the program stays on the host's disk.
    assert!(!sshd.at("state/playbook/spool/k/program").exists());
}

#[tokio::test]
async fn a_flood_of_output_is_counted_whole_and_kept_within_bounds() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let command = script(Some("db1"), super::FLOOD);
    let looked = look(&context, &command, LONG).await.unwrap();
    let changed = change(&context, &command, "k", LONG, false).await.unwrap();
    assert_eq!(looked.output, changed.output);
    assert_eq!(changed.output.stdout.bytes, 10_485_760);
    assert_eq!(changed.output.stdout.sha256, super::SHA256_OF_FLOOD);
    assert!(changed.output.stdout.truncated && changed.output.stdout.text.len() < 66_000);
}

#[tokio::test]
async fn an_unknown_or_changed_key_is_refused() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let count = sshd.at("count");
    let command = script(Some("db1"), &format!("echo ran >>{}", count.display()));
    // The host has this one too, and shows it when asked for its type.
    sshd.pin("other_host.pub");
    assert!(look(&context, &script(Some("db1"), "true"), LONG).await.is_ok());
    let elsewhere = Sshd::start();
    let mut inventory = sshd.inventory();
    inventory.hosts.get_mut("db1").unwrap().known_hosts = Some(elsewhere.at("known_hosts"));
    let file = elsewhere.at("known_hosts");
    for (pinned, expected) in [
        (format!("[127.0.0.1]:{} {}", sshd.port, std::fs::read_to_string(elsewhere.at("host.pub")).unwrap()), "pins"),
        (format!("127.0.0.1 {}", std::fs::read_to_string(sshd.at("host.pub")).unwrap()), "not known"),
        (String::new(), "not known"),
        (
            format!(
                "@revoked [127.0.0.1]:{0} {1}[127.0.0.1]:{0} {1}",
                sshd.port,
                std::fs::read_to_string(sshd.at("host.pub")).unwrap()
            ),
            "revoked",
        ),
    ] {
        std::fs::write(&file, &pinned).unwrap();
        let (context, _) = super::context(sshd.folder.path(), inventory.clone());
        let refused = change(&context, &command, "k", LONG, false).await;
        let Err(CommandError::Unreachable(why)) = refused else { panic!("{pinned}: {refused:?}") };
        assert!(why.contains(expected) && why.contains("SHA256:") && why.contains(file.to_str().unwrap()), "{why}");
    }
    assert_eq!(lines(&count), 0);
    // Hashed names are read too.
    sshd.pin("host.pub");
    std::fs::copy(sshd.at("known_hosts"), &file).unwrap();
    let hashed = std::process::Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file).output().unwrap();
    assert!(hashed.status.success());
    let (context, _) = super::context(sshd.folder.path(), inventory);
    change(&context, &command, "k", LONG, false).await.unwrap();
    assert_eq!(lines(&count), 1);
}

#[tokio::test]
async fn a_host_that_is_not_there_was_not_touched() {
    let sshd = Sshd::start();
    let mut inventory = sshd.inventory();
    inventory.hosts.get_mut("db1").unwrap().port = 1;
    let (context, _) = context(sshd.folder.path(), inventory.clone());
    let command = script(Some("db1"), "true");
    assert!(matches!(change(&context, &command, "k", LONG, false).await, Err(CommandError::Unreachable(_))));
    assert!(matches!(recall(&context, &command, "k", LONG).await, Recalled::Lost(_)));
    let unknown = look(&context, &script(Some("db9"), "true"), LONG).await;
    assert!(matches!(unknown, Err(CommandError::Invalid(why)) if why.contains("db9") && why.contains("db1")));
    // One that accepts and says nothing ends at the inventory's own limit.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = inventory.hosts.get_mut("db1").unwrap();
    (host.port, host.connect_timeout_seconds) = (silent.local_addr().unwrap().port(), 0.3);
    let (context, _) = super::context(sshd.folder.path(), inventory);
    let began = Instant::now();
    let late = look(&context, &command, LONG).await;
    assert!(matches!(late, Err(CommandError::Unreachable(why)) if why.contains("0.3 s")));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_lost_connection_is_settled_by_the_recorder_and_the_command_ran_once() {
    let sshd = Sshd::start();
    let (context, seen) = context(sshd.folder.path(), sshd.inventory());
    let (count, go) = (sshd.at("count"), sshd.at("go"));
    let text = format!(
        "echo ran >>{}; echo before; until [ -e {} ]; do sleep 0.01; done; echo after; exit 7",
        count.display(),
        go.display()
    );
    let command = script(Some("db1"), &text);
    let lost = {
        let cutter = std::thread::spawn({
            let server = sshd.server_id();
            move || {
                // Output that arrived shows that the command runs.
                until("output", || (!seen.lock().unwrap().is_empty()).then_some(()));
                super::sshd::cut(server);
            }
        });
        let lost = change(&context, &command, "k", LONG, false).await;
        cutter.join().unwrap();
        lost
    };
    assert!(matches!(lost, Err(CommandError::Lost(_))), "{lost:?}");
    let running = recall(&context, &command, "k", Duration::ZERO).await;
    assert!(matches!(&running, Recalled::StillRunning(why) if why.contains("before")), "{running:?}");
    let (found, ()) = tokio::join!(recall(&context, &command, "k", LONG), async {
        std::fs::write(&go, "").unwrap();
    });
    let Recalled::Ended(ended) = found else { panic!("{found:?}") };
    assert_eq!((ended.exit_code, ended.output.stdout.text.as_str()), (Some(7), "before\nafter\n"));
    assert_eq!(lines(&count), 1);
}

#[tokio::test]
async fn what_was_called_never_started_never_starts() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let count = sshd.at("count");
    let command = script(Some("db1"), &format!("echo ran >>{}", count.display()));
    assert!(matches!(recall(&context, &command, "k", LONG).await, Recalled::NeverStarted(_)));
    let late = change(&context, &command, "k", LONG, false).await;
    assert!(matches!(late, Err(CommandError::Unreachable(_))), "{late:?}");
    // A folder alone: the connection broke between making it and the claim.
    std::fs::create_dir(sshd.at("state/playbook/spool/half")).unwrap();
    assert!(matches!(recall(&context, &command, "half", LONG).await, Recalled::NeverStarted(_)));
    assert!(matches!(change(&context, &command, "half", LONG, false).await, Err(CommandError::Unreachable(_))));
    assert_eq!(lines(&count), 0);
}

#[tokio::test]
async fn a_killed_recorder_leaves_an_outcome_that_nobody_knows() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let command = script(Some("db1"), "echo half way; echo $$; exec sleep 600");
    let spool = sshd.at("state/playbook/spool/k");
    let killer = std::thread::spawn(move || {
        until("the output", || (lines(&spool.join("stdout")) == 2).then_some(()));
        let recorder = std::fs::read_to_string(spool.join("recorder")).unwrap();
        let recorder = recorder.split_whitespace().next().unwrap().parse().unwrap();
        super::kill(recorder, nix::sys::signal::Signal::SIGTERM);
        assert!(runs(recorder));
        super::kill(recorder, nix::sys::signal::Signal::SIGKILL);
        let printed = std::fs::read_to_string(spool.join("stdout")).unwrap();
        printed.lines().nth(1).unwrap().parse().unwrap()
    });
    let lost = change(&context, &command, "k", LONG, false).await;
    super::kill(killer.join().unwrap(), nix::sys::signal::Signal::SIGKILL);
    assert!(matches!(&lost, Err(CommandError::Lost(why)) if why.contains("half way")), "{lost:?}");
    assert!(matches!(recall(&context, &command, "k", LONG).await, Recalled::Lost(_)));
    // After a reboot nothing holds the lock, and the boot id is another one.
    std::fs::write(sshd.at("state/playbook/spool/k/started"), "another boot\n").unwrap();
    assert!(matches!(recall(&context, &command, "k", LONG).await, Recalled::Lost(why) if why.contains("rebooted")));
}

#[tokio::test]
async fn a_host_that_was_started_since_may_have_forgotten_what_ran() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let command = script(Some("db1"), &format!("echo ran >>{}", sshd.at("count").display()));
    // No machine has been up for so long: nothing was found, and that proves nothing. Sent a second ago, it does.
    let long_ago = Some(Duration::from_secs(86_400 * 3650));
    let forgotten = recall_sent(&context, &command, "old", LONG, long_ago).await;
    assert!(matches!(&forgotten, Recalled::Lost(why) if why.contains("started only after")), "{forgotten:?}");
    let fresh = recall_sent(&context, &command, "new", LONG, Some(Duration::from_secs(1))).await;
    assert!(matches!(fresh, Recalled::NeverStarted(_)), "{fresh:?}");
    // A folder whose mark did not get to the disk is no better.
    std::fs::create_dir(sshd.at("state/playbook/spool/half")).unwrap();
    let half = recall_sent(&context, &command, "half", LONG, long_ago).await;
    assert!(matches!(half, Recalled::Lost(_)), "{half:?}");
    // Whatever was said, neither starts any more.
    for key in ["old", "new", "half"] {
        assert!(matches!(change(&context, &command, key, LONG, false).await, Err(CommandError::Unreachable(_))));
    }
    assert_eq!(lines(&sshd.at("count")), 0);
    // Of one that has ended the end is known, however long ago that was; half a line of it is no end.
    change(&context, &script(Some("db1"), "exit 5"), "ended", LONG, false).await.unwrap();
    let ended = recall_sent(&context, &command, "ended", LONG, long_ago).await;
    assert!(matches!(&ended, Recalled::Ended(ended) if ended.exit_code == Some(5)), "{ended:?}");
    std::fs::write(sshd.at("state/playbook/spool/ended/status"), "5 0 0").unwrap();
    assert!(matches!(recall(&context, &command, "ended", LONG).await, Recalled::Lost(_)));
}

#[tokio::test]
async fn a_command_that_was_given_up_just_before_it_starts_does_not() {
    let sshd = small_host();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    // Somebody says that it never started, right when the host makes it durable that it starts.
    let sync = "#!/bin/sh\n: >\"${1%/*}/void\"\n";
    std::fs::remove_file(sshd.at("bin/sync")).unwrap();
    std::fs::write(sshd.at("bin/sync"), sync).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sshd.at("bin/sync"), mode).unwrap();
    let command = script(Some("db1"), &format!("echo ran >>{}", sshd.at("count").display()));
    let given_up = change(&context, &command, "k", LONG, false).await;
    assert!(matches!(given_up, Err(CommandError::Unreachable(_))), "{given_up:?}");
    assert!(matches!(recall(&context, &command, "k", LONG).await, Recalled::NeverStarted(_)));
    assert_eq!(lines(&sshd.at("count")), 0);
}

#[tokio::test]
async fn a_command_finds_the_environment_of_its_host_and_its_own() {
    let sshd = Sshd::start_with("our_key=theirs our_limit=theirs");
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let mut command = script(Some("db1"), "/usr/bin/id -un >/dev/null; echo \"$PATH $(umask)\"");
    command.environment = vec![("PATH".to_owned(), "/nowhere".to_owned())];
    let own = script(Some("db1"), "umask");
    let umask = look(&context, &own, LONG).await.unwrap().output.stdout.text;
    assert_eq!(change(&context, &own, "umask", LONG, false).await.unwrap().output.stdout.text, umask);
    for (key, kill) in [("a", false), ("b", true)] {
        let changed = change(&context, &command, key, LONG, kill).await.unwrap();
        assert_eq!(changed.output.stdout.text, format!("/nowhere {umask}"), "{changed:?}");
    }
    let looked = look(&context, &command, LONG).await.unwrap();
    assert_eq!(looked.output.stdout.text, format!("/nowhere {umask}"), "{looked:?}");
}

#[tokio::test]
async fn a_server_that_turns_many_away_is_tried_again() {
    // At most two that are not let in yet; a third is closed at once.
    let sshd = Sshd::start_with("A=b\nMaxStartups 2:100:2");
    let mut inventory = sshd.inventory();
    inventory.hosts.get_mut("db1").unwrap().connect_timeout_seconds = 60.0;
    let (context, _) = context(sshd.folder.path(), inventory);
    let command = script(Some("db1"), "echo in");
    let looks: Vec<_> = (0..8)
        .map(|_| {
            let (context, command) = (context.clone(), command.clone());
            tokio::spawn(async move { look(&context, &command, LONG).await })
        })
        .collect();
    for one in looks {
        assert_eq!(one.await.unwrap().unwrap().output.stdout.text, "in\n");
    }
    let log = std::fs::read_to_string(sshd.at("log")).unwrap();
    assert!(log.contains("MaxStartups"), "nobody was turned away, so this has shown nothing: {log}");
    // One that turns everybody away for good was not touched.
    let closing = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut inventory = sshd.inventory();
    let host = inventory.hosts.get_mut("db1").unwrap();
    (host.port, host.connect_timeout_seconds) = (closing.local_addr().unwrap().port(), 0.5);
    std::thread::spawn(move || closing.incoming().take(100).for_each(drop));
    let (context, _) = super::context(sshd.folder.path(), inventory);
    let refused = change(&context, &command, "k", LONG, false).await;
    assert!(matches!(&refused, Err(CommandError::Unreachable(why)) if why.contains("MaxStartups")), "{refused:?}");
}

#[tokio::test]
async fn at_the_timeout_a_change_is_left_to_end_unless_it_is_to_be_killed() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let go = sshd.at("go");
    let text = format!("until [ -e {} ]; do sleep 0.01; done", go.display());
    let command = script(Some("db1"), &text);
    let left = change(&context, &command, "left", Duration::from_secs(1), false).await;
    assert!(matches!(left, Err(CommandError::Lost(_))), "{left:?}");
    std::fs::write(&go, "").unwrap();
    let found = recall(&context, &command, "left", LONG).await;
    assert!(matches!(&found, Recalled::Ended(ended) if ended.exit_code == Some(0) && !ended.timed_out), "{found:?}");
    let pid = sshd.at("pid");
    let text = format!("trap '' TERM; (echo $$ >{0}.new; mv {0}.new {0}; sleep 600)", pid.display());
    let began = Instant::now();
    let killed = change(&context, &script(Some("db1"), &text), "killed", Duration::from_secs(1), true).await.unwrap();
    assert!(killed.timed_out, "{killed:?}");
    assert!(began.elapsed() < Duration::from_secs(9));
    let pid: u32 = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    until("its end", || (!runs(pid)).then_some(()));
}

#[tokio::test]
async fn a_look_is_killed_at_its_timeout() {
    let sshd = Sshd::start();
    let (context, seen) = context(sshd.folder.path(), sshd.inventory());
    let looked = look(&context, &script(Some("db1"), "echo $$; exec sleep 600"), Duration::from_secs(1)).await.unwrap();
    assert!(looked.timed_out, "{looked:?}");
    let pid: u32 = looked.output.stdout.text.trim().parse().unwrap();
    assert!(!seen.lock().unwrap().is_empty());
    until("its end", || (!runs(pid)).then_some(()));
}

#[tokio::test]
async fn a_host_behind_another_is_reached_through_it() {
    let (near, far) = (Sshd::start(), Sshd::start());
    let mut inventory = far.inventory();
    inventory.hosts.get_mut("db1").unwrap().jump = Some("near".to_owned());
    inventory.hosts.insert("near".to_owned(), near.host());
    let (context, _) = context(far.folder.path(), inventory.clone());
    let ended = look(&context, &script(Some("db1"), super::FLOOD), LONG).await.unwrap();
    assert_eq!(ended.output.stdout.sha256, super::SHA256_OF_FLOOD);
    let changed = change(&context, &script(Some("db1"), "echo $SSH_CONNECTION"), "k", LONG, false).await.unwrap();
    assert!(changed.output.stdout.text.contains(&far.port.to_string()), "{changed:?}");
    // The far host's key is checked through the near one.
    std::fs::write(far.at("known_hosts"), "").unwrap();
    inventory.hosts.get_mut("db1").unwrap().connect_timeout_seconds = 9.0;
    let (context, _) = super::context(far.folder.path(), inventory.clone());
    let refused = look(&context, &script(Some("db1"), "true"), LONG).await;
    assert!(matches!(refused, Err(CommandError::Unreachable(why)) if why.contains("not known")));
    // And a circle has an end.
    inventory.hosts.get_mut("near").unwrap().jump = Some("db1".to_owned());
    let (context, _) = super::context(far.folder.path(), inventory);
    let circle = look(&context, &script(Some("db1"), "true"), LONG).await;
    assert!(matches!(circle, Err(CommandError::Unreachable(why)) if why.contains("circle")));
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let command = script(Some("db1"), "echo $PPID");
    look(&context, &command, LONG).await.unwrap();
    super::sshd::cut(sshd.server_id());
    look(&context, &command, LONG).await.unwrap();
    let began = Instant::now();
    look(&context, &command, LONG).await.unwrap();
    if std::env::var_os("PLAYBOOK_TEST_TIMES").is_some() {
        let look_time = began.elapsed();
        let began = Instant::now();
        change(&context, &command, "k", LONG, false).await.unwrap();
        std::fs::write("/dev/stderr", format!("look {look_time:?}, change {:?}\n", began.elapsed())).unwrap();
    }
}

/// A host as small as they come: no flock, no setsid, no timeout; and a sudo of ours that shows what it was given.
fn small_host() -> Sshd {
    let sshd = Sshd::start_with("PATH={folder}/bin");
    std::fs::create_dir(sshd.at("bin")).unwrap();
    let tools = "cat cut date dirname find head id ln mkdir mv nohup readlink rm sed sh sha256sum sleep sync tail touch true wc";
    for tool in tools.split(' ') {
        let found = ["/usr/bin", "/bin"].map(|folder| std::path::Path::new(folder).join(tool));
        let found = found.iter().find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, sshd.at("bin").join(tool)).unwrap();
    }
    let sudo = "#!/bin/sh\n[ \"$1 $2 $4\" = '-n -u --' ] || exit 99\nexport BECAME=\"$3\"\nshift 4\nexec \"$@\"\n";
    std::fs::write(sshd.at("bin/sudo"), sudo).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sshd.at("bin/sudo"), mode).unwrap();
    sshd
}

#[tokio::test]
async fn a_host_without_flock_and_setsid_will_do() {
    let sshd = small_host();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let bare = script(Some("db1"), "for tool in flock setsid timeout; do command -v $tool; done; echo none");
    assert_eq!(look(&context, &bare, LONG).await.unwrap().output.stdout.text, "none\n");
    let (command, expected) = hostile(Some("db1"));
    let ended = change(&context, &command, "k", LONG, false).await.unwrap();
    assert_eq!((ended.exit_code, ended.output.stdout.text.as_str()), (Some(0), expected.as_str()), "{ended:?}");
    let go = sshd.at("go");
    let command = script(Some("db1"), &format!("until [ -e {} ]; do sleep 0.01; done; exit 4", go.display()));
    let left = change(&context, &command, "left", Duration::from_secs(2), false).await;
    assert!(matches!(left, Err(CommandError::Lost(_))), "{left:?}");
    let running = recall(&context, &command, "left", Duration::ZERO).await;
    assert!(matches!(running, Recalled::StillRunning(_)), "{running:?}");
    std::fs::write(&go, "").unwrap();
    let found = recall(&context, &command, "left", LONG).await;
    assert!(matches!(&found, Recalled::Ended(ended) if ended.exit_code == Some(4)), "{found:?}");
    assert!(matches!(recall(&context, &command, "none", LONG).await, Recalled::NeverStarted(_)));
}

#[tokio::test]
async fn another_user_gets_the_values_over_standard_input() {
    let sshd = small_host();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let mut command = script(Some("db1"), "echo \"$BECAME $SECRET\"");
    command.become_user = Some("postgres".to_owned());
    command.environment = vec![("SECRET".to_owned(), "it's $(id)".to_owned())];
    for ended in [look(&context, &command, LONG).await, change(&context, &command, "k", LONG, false).await] {
        assert_eq!(ended.unwrap().output.stdout.text, "postgres it's $(id)\n");
    }
}

#[tokio::test]
async fn old_output_goes_when_new_comes_and_that_it_ran_is_kept() {
    let sshd = Sshd::start();
    let (context, _) = context(sshd.folder.path(), sshd.inventory());
    let spool = |name: &str| sshd.at("state/playbook/spool").join(name);
    let age = |path: &std::path::Path, days: u64| {
        let then = std::time::SystemTime::now() - Duration::from_secs(86_400 * days);
        std::fs::File::open(path).unwrap().set_modified(then).unwrap();
    };
    let count = sshd.at("count");
    let command = script(Some("db1"), &format!("echo ran | tee -a {}", count.display()));
    change(&context, &command, "weeks", LONG, false).await.unwrap();
    change(&context, &command, "days", LONG, false).await.unwrap();
    std::fs::create_dir_all(spool("months")).unwrap();
    age(&spool("months"), 91);
    for (name, days) in [("weeks", 9), ("days", 6)] {
        age(&spool(name).join("stdout"), days);
        age(&spool(name), days);
    }
    // It is gone through once a day.
    let day = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    assert_eq!(std::fs::read_to_string(spool("cleaned")).unwrap(), format!("{day}\n"));
    std::fs::write(spool("cleaned"), format!("{}\n", day - 1)).unwrap();
    change(&context, &script(Some("db1"), "true"), "k", LONG, false).await.unwrap();
    until("the end of the oldest", || (!spool("months").exists()).then_some(()));
    until("the end of old output", || (!spool("weeks").join("stdout").exists()).then_some(()));
    assert!(spool("days").join("stdout").exists());
    // What it printed is gone, so nothing whole can be told; that it never started would be a lie, and start it again.
    let recalled = recall(&context, &command, "weeks", LONG).await;
    assert!(!matches!(recalled, Recalled::NeverStarted(_)), "{recalled:?}");
    assert_eq!(lines(&count), 2);
}

/// Not a test by itself: the process with an agent that `keys_of_the_agent…` starts.
#[tokio::test]
async fn with_an_agent() {
    let Some(host) = std::env::var_os("PLAYBOOK_TEST_AGENT") else { return };
    let mut inventory = playbook::inventory::Inventory::default();
    inventory.hosts.insert("db1".to_owned(), serde_json::from_str(host.to_str().unwrap()).unwrap());
    let (context, _) = context(&std::env::temp_dir(), inventory);
    let ended = look(&context, &script(Some("db1"), "echo in"), LONG).await.unwrap();
    assert_eq!(ended.output.stdout.text, "in\n");
}

#[tokio::test]
async fn keys_of_the_agent_are_tried_where_the_inventory_names_none() {
    use std::process::{Command as Process, Stdio};
    let sshd = Sshd::start();
    let socket = sshd.at("agent");
    let mut agent = Process::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    until("the agent", || std::os::unix::net::UnixStream::connect(&socket).ok());
    let mut host = sshd.host();
    host.identity_file = None;
    let try_it = || {
        Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "command::remote::with_an_agent"])
            .env("PLAYBOOK_TEST_AGENT", serde_json::to_string(&host).unwrap())
            .env("SSH_AUTH_SOCK", &socket)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let add = |key: &str| {
        let added = Process::new("ssh-add").arg("-q").arg(sshd.at(key)).env("SSH_AUTH_SOCK", &socket).status().unwrap();
        assert!(added.success());
    };
    let results = {
        let empty = try_it();
        // The first key is not the right one.
        add("other_host");
        add("user");
        (empty, try_it())
    };
    agent.kill().unwrap();
    agent.wait().unwrap();
    let said = String::from_utf8_lossy(&results.0.stdout).into_owned();
    assert!(!results.0.status.success() && said.contains("any of the 0 keys of ssh-agent"), "{said}");
    assert!(results.1.status.success(), "{}", String::from_utf8_lossy(&results.1.stdout));
}
