//! A secret is given to the command that needs it and is found nowhere else: a canary goes through a whole run, its failure
//! and its undo, and is looked for in everything that is kept or shown. And inputs that come from the environment.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const CANARY: &str = "canary-4f1d2b97-swordfish";

const BOOK: &str = r#"name: secretive
version: 1.0.0
title: Gives a secret to commands
inputs:
  password: { type: string, sensitive: true, required: true, description: the password }
  plain: { type: string, default: nothing, description: a text }
steps:
  - id: look
    run: printf 'look %s %s\n' "$PW" "$PLAIN"
    effect: read
    env: { PW: "{{inputs.password}}", PLAIN: "{{inputs.plain}}" }
    outputs: { said: { regex: 'look (.*)' } }
    verify: "outputs.said != ''"
  - id: change
    run: |
      test "$PW" = "$(cat secret)"
      printf 'out %s\n' "$PW"
      printf 'err %s\n' "$PW" >&2
      touch started
      while ! test -e go; do sleep 0.02; done
    effect: idempotent
    env: { PW: "{{inputs.password}}" }
    rollback:
      - id: back
        run: |
          test "$PW" = "$(cat secret)"
          echo "back with $PW"
          touch back
        effect: idempotent
        env: { PW: "{{inputs.password}}" }
  - id: fail
    run: echo "refused $PW" >&2; exit 3
    effect: idempotent
    env: { PW: "{{inputs.password}}" }
    probe: { run: 'echo "$PW"', env: { PW: "{{inputs.password}}" }, took_effect: "outputs.stdout == ''" }
    rollback: none
    because: it does nothing
"#;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("playbooks")).unwrap();
        // With a probe the effect is `probed`.
        let book = BOOK.replace(
            "run: echo \"refused $PW\" >&2; exit 3\n    effect: idempotent\n",
            "run: echo \"refused $PW\" >&2; exit 3\n",
        );
        std::fs::write(folder.path().join("playbooks/secretive.yaml"), book).unwrap();
        std::fs::write(folder.path().join("secret"), format!("{CANARY}\n")).unwrap();
        std::fs::write(folder.path().join("empty.yaml"), "").unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn reference(&self) -> String {
        format!("password=file:{}", self.path().join("secret").display())
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_playbook"));
        command.args(words).current_dir(self.path()).stdin(Stdio::null());
        for variable in ["PLAYBOOK_INVENTORY", "PLAYBOOK_PATH", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "LC_ALL", "TERM"] {
            command.env_remove(variable);
        }
        command.env("PLAYBOOK_STATE", self.path().join("state")).env("PLAYBOOK_CONFIG", self.path().join("empty.yaml"));
        command.env("HOME", self.path()).env("LANG", "C.UTF-8");
        command
    }

    fn run(&self, words: &[&str]) -> (Option<i32>, String) {
        let output = self.command(words).output().unwrap();
        (output.status.code(), said(&output))
    }

    fn expect(&self, code: i32, words: &[&str]) -> String {
        let (found, said) = self.run(words);
        assert_eq!(found, Some(code), "playbook {}\n{said}", words.join(" "));
        said
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

fn holds(path: &Path, needle: &str) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
}

/// Waits until a file is there; the child must not end before.
fn await_file(path: &Path, child: &mut Child) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {} was there", path.display());
        assert!(begun.elapsed() < Duration::from_secs(30), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The command lines of all processes.
fn command_lines() -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|b| b.is_ascii_digit())))
        .map(|path| path.join("cmdline"))
        .collect()
}

#[test]
fn a_secret_reaches_its_command_and_nothing_else() {
    let place = Place::new();
    let plan = place.path().join("plan.json").display().to_string();
    let input = place.reference();
    let shown = place.expect(0, &["plan", "secretive", "-i", &input, "-o", &plan]);
    assert!(shown.contains("is there; its value is never shown"), "{shown}");
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(!holds(Path::new(&plan), CANARY) && holds(Path::new(&plan), "file:/"), "the plan's file");
    let by_hand = place.expect(0, &["show", "secretive", "--by-hand", "-i", &input]);
    assert!(by_hand.contains("the secret file:/") && !by_hand.contains(CANARY), "{by_hand}");

    let mut child = place
        .command(&["run", "--plan", &plan, "-y", "--output", "jsonl"])
        .env("PLAYBOOK_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    await_file(&place.path().join("started"), &mut child);
    let lines = command_lines();
    let own = format!("/proc/{}/cmdline", child.id());
    assert!(lines.iter().any(|path| holds(path, "secretive") || path == Path::new(&own)), "no processes were seen");
    let telling: Vec<_> = lines.iter().filter(|path| holds(path, CANARY)).collect();
    std::fs::write(place.path().join("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(telling.is_empty(), "the process list shows the secret: {telling:?}");
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    assert!(place.path().join("back").exists(), "its undo had the secret too");
    assert!(said(&output).contains("***"), "{}", said(&output));
    assert!(!said(&output).contains(CANARY), "{}", said(&output));

    let mut files = Vec::new();
    files_below(&place.path().join("state"), &mut files);
    assert!(files.iter().any(|path| holds(path, "refused ***")), "the journal was not found: {files:?}");
    assert!(files.iter().any(|path| holds(path, "file:/")), "the reference is in the journal");
    let telling: Vec<_> = files.iter().filter(|path| holds(path, CANARY)).collect();
    assert!(telling.is_empty(), "the secret is kept in {telling:?}");
    for words in [&["timeline"][..], &["timeline", "--output", "json"], &["status"], &["status", "--output", "json"]] {
        let shown = place.expect(0, words);
        assert!(!shown.contains(CANARY), "{words:?}: {shown}");
    }
}

#[test]
fn live_output_is_masked_for_whoever_watches() {
    let place = Place::new();
    std::fs::write(place.path().join("go"), "").unwrap();
    let output = place
        .command(&["run", "secretive", "-y"])
        .env("PLAYBOOK_INPUT_PASSWORD", "env:THE_PASSWORD")
        .env("THE_PASSWORD", CANARY)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(10), "{}", said(&output));
    assert!(!said(&output).contains(CANARY), "{}", said(&output));
    assert!(said(&output).contains("refused ***"), "{}", said(&output));
}

#[test]
fn only_a_reference_is_taken_and_what_was_given_is_not_repeated() {
    let place = Place::new();
    for (value, why) in [
        (CANARY, "never the secret itself"),
        ("vault:kv/db", "mount, path and field"),
        ("exec:pass show db | head -1", "there is no shell behind `exec:`"),
        ("file:secret", "a whole path"),
        ("env:", "the name of an environment variable"),
    ] {
        let shown = place.expect(65, &["plan", "secretive", "-i", &format!("password={value}")]);
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(why) && !shown.contains(CANARY), "{value}: {shown}");
    }
    let shown = place.expect(65, &["plan", "secretive"]);
    assert!(shown.contains("password=REFERENCE (env:NAME, file:/PATH, …)"), "{shown}");
    // A dry-run finds out that nothing is there, and so does a run, before anything is sent.
    let shown = place.expect(1, &["plan", "secretive", "-i", "password=env:PLAYBOOK_NO_SUCH"]);
    assert!(shown.contains("PLAYBOOK_NO_SUCH is not set"), "{shown}");
    let shown = place.expect(65, &["run", "secretive", "-y", "-i", "password=env:PLAYBOOK_NO_SUCH"]);
    assert!(shown.contains("input `password`, which step look needs") && shown.contains("is not set"), "{shown}");
    assert!(!place.path().join("started").exists());
    // A rehearsal has no world of secrets: the reference need not lead anywhere.
    let shown = place.run(&["rehearse", "secretive", "-i", "password=env:PLAYBOOK_NO_SUCH"]).1;
    assert!(!shown.contains("is not set"), "{shown}");
}

const VANISHING: &str = r#"name: vanishing
version: 1.0.0
title: Loses its secret on the way
inputs: { password: { type: string, sensitive: true, required: true } }
steps:
  - id: change
    run: rm secret; touch changed
    effect: idempotent
    rollback:
      - { id: back, run: 'test "$PW" = "$(cat secret)" && rm -f changed', effect: idempotent, env: { PW: "{{inputs.password}}" } }
  - id: more
    run: 'touch more; echo "$PW"'
    effect: idempotent
    env: { PW: "{{inputs.password}}" }
    rollback: none
    because: it does nothing
"#;

#[test]
fn a_secret_that_is_gone_stops_before_anything_is_sent_and_an_undo_is_tried_again_once_it_is_back() {
    let place = Place::new();
    std::fs::write(place.path().join("playbooks/vanishing.yaml"), VANISHING).unwrap();
    let shown = place.expect(11, &["run", "vanishing", "-y", "--no-wait", "-i", &place.reference()]);
    assert!(shown.contains("nothing was sent: the secret"), "{shown}");
    assert!(!place.path().join("more").exists() && place.path().join("changed").exists(), "{shown}");
    std::fs::write(place.path().join("secret"), format!("{CANARY}\n")).unwrap();
    let shown = place.expect(10, &["resolve", "latest", "change/undo", "--retry", "--reason", "it is back"]);
    assert!(!place.path().join("changed").exists() && !shown.contains(CANARY), "{shown}");
}

#[test]
fn a_recorder_is_asked_without_the_secret_and_what_was_printed_is_withheld_then() {
    let place = Place::new();
    let mut child = place
        .command(&["run", "secretive", "-y", "-i", &place.reference()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    await_file(&place.path().join("started"), &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(place.path().join("secret")).unwrap();
    std::fs::write(place.path().join("go"), "").unwrap();
    let shown = place.expect(11, &["resume", "latest", "--no-wait"]);
    assert!(shown.contains("exit code 0; what it printed is withheld"), "{shown}");
    let mut files = Vec::new();
    files_below(&place.path().join("state"), &mut files);
    // The spool of a run that has not ended is the one place that the documents name.
    let telling: Vec<_> =
        files.iter().filter(|path| !path.to_string_lossy().contains("/spool/") && holds(path, CANARY)).collect();
    assert!(telling.is_empty() && !shown.contains(CANARY), "{telling:?} {shown}");

    std::fs::write(place.path().join("secret"), format!("{CANARY}\n")).unwrap();
    place.expect(10, &["resolve", "latest", "change/undo", "--retry", "--reason", "it is back"]);
    files.clear();
    files_below(&place.path().join("state"), &mut files);
    let telling: Vec<_> = files.iter().filter(|path| holds(path, CANARY)).collect();
    assert!(telling.is_empty(), "the run has ended, and yet: {telling:?}");
}

#[test]
fn a_header_gets_the_secret_and_an_answer_that_repeats_it_is_masked() {
    use std::io::{Read as _, Write as _};
    let place = Place::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    // It answers with the header that it got, once for a dry-run and once for the run, and ends.
    let (asked, seen) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = server.accept().unwrap();
            let mut text = String::new();
            let mut piece = [0_u8; 1024];
            while !text.contains("\r\n\r\n") {
                let read = stream.read(&mut piece).unwrap();
                text.push_str(&String::from_utf8_lossy(&piece[..read]));
            }
            let header = text.lines().find(|line| line.to_lowercase().starts_with("x-token")).unwrap().to_owned();
            let body = format!("{{\"got\": \"{header}\"}}");
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
            write!(stream, "{head}X-Echo: {header}\r\n\r\n{body}").unwrap();
            asked.send(text).unwrap();
        }
    });
    let book = format!(
        "name: asks\nversion: 1.0.0\ntitle: Asks with a token\ninputs: {{ token: {{ type: string, sensitive: true, required: true }} }}\n\
         steps:\n  - {{ id: ask, uses: http, with: {{ url: 'http://{address}/', headers: {{ X-Token: \"{{{{inputs.token}}}}\" }} }} }}\n"
    );
    std::fs::write(place.path().join("playbooks/asks.yaml"), book).unwrap();
    let token = place.reference().replace("password=", "token=");
    let foreseen = place.expect(0, &["run", "asks", "--dry-run", "--output", "json", "-i", &token]);
    let shown = place.expect(0, &["run", "asks", "--output", "json", "-i", &token]) + &foreseen;
    let timeline = place.expect(0, &["timeline", "--output", "json"]);
    for _ in 0..2 {
        let request = seen.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(request.contains(CANARY), "the server did not get it: {request}");
    }
    assert!(timeline.contains("***") && !timeline.contains(CANARY) && !shown.contains(CANARY), "{timeline}{shown}");
}

#[test]
fn a_text_that_looks_like_a_reference_stays_a_text() {
    let place = Place::new();
    std::fs::write(place.path().join("go"), "").unwrap();
    let plain = format!("plain=file:{}", place.path().join("secret").display());
    let shown =
        place.expect(10, &["run", "secretive", "-y", "--output", "json", "-i", &place.reference(), "-i", &plain]);
    assert!(!shown.contains(CANARY), "{shown}");
    let timeline = place.expect(0, &["timeline", "--output", "json"]);
    assert!(timeline.contains("look *** file:/"), "{timeline}");
}

const NEEDS: &str = r#"name: needs
version: 1.0.0
title: Says what it was told
inputs:
  cluster: { type: identifier, default: by_default }
  count: { type: integer, default: 1 }
steps:
  - { id: look, argv: [echo, "told {{inputs.cluster}} {{inputs.count}}"], effect: read }
"#;

#[test]
fn the_nearer_word_wins_and_a_wrong_one_says_where_it_came_from() {
    let place = Place::new();
    std::fs::write(place.path().join("playbooks/needs.yaml"), NEEDS).unwrap();
    std::fs::write(place.path().join("inputs.yaml"), "cluster: by_file\n").unwrap();
    let variable = ("PLAYBOOK_INPUT_CLUSTER", "by_environment");
    let with = |code: i32, words: &[&str], variables: &[(&str, &str)]| {
        let output = place.command(words).envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", said(&output));
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for verb in [&["plan", "needs"][..], &["run", "needs", "-C"], &["run", "needs", "--output", "json"]] {
        let told = |more: &[&str], variables: &[(&str, &str)]| {
            let (out, err) = with(0, &[verb, more].concat(), variables);
            let text = out + &err;
            ["by_default", "by_environment", "by_file", "typed"].into_iter().find(|word| text.contains(*word)).unwrap()
        };
        assert_eq!(told(&[], &[]), "by_default", "{verb:?}");
        assert_eq!(told(&[], &[variable]), "by_environment", "{verb:?}");
        assert_eq!(told(&["--inputs-file", "inputs.yaml"], &[variable]), "by_file", "{verb:?}");
        let typed = ["--inputs-file", "inputs.yaml", "-i", "cluster=typed"];
        assert_eq!(told(&typed, &[variable]), "typed", "{verb:?}");
    }
    let (_, err) = with(65, &["plan", "needs"], &[("PLAYBOOK_INPUT_COUNT", "many")]);
    assert!(err.contains("given by the environment variable PLAYBOOK_INPUT_COUNT"), "{err}");
    let (_, err) = with(65, &["plan", "needs", "-i", "count=many"], &[("PLAYBOOK_INPUT_COUNT", "2")]);
    assert!(err.contains("given with -i"), "{err}");
    let (_, err) = with(0, &["plan", "needs"], &[("PLAYBOOK_INPUT_CLUSTR", "x"), ("PLAYBOOK_INPUT_OTHER", "y")]);
    assert!(err.contains("PLAYBOOK_INPUT_CLUSTR names no input of needs"), "{err}");
    assert!(err.contains("did you mean PLAYBOOK_INPUT_CLUSTER?") && !err.contains("PLAYBOOK_INPUT_OTHER"), "{err}");
}
