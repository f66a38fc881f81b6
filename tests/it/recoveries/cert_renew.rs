//! The shipped `cert-renew` on a real nginx with an expired certificate: renewed, undone at each step, killed between the two
//! files, refused for pairs that do not fit; and the private key is nowhere but in its file.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::failing_at;
use super::web::{files, pid, serial, shown, until, world};
use crate::failover::{expect, playbook, run, said, status};
use crate::lab::Lab;

fn given(lab: &Lab, playbook: &str, folder: &str) -> Vec<String> {
    let pair = lab.dir.join(folder);
    let words = ["-i", "service=shop-a", "-i"].map(str::to_owned);
    let mut all = vec![playbook.to_owned()];
    all.extend(words);
    all.push(format!("certificate={}", pair.join("cert.pem").display()));
    all.push("-i".to_owned());
    all.push(format!("key={}", pair.join("key.pem").display()));
    all
}

fn renew(lab: &Lab, book: &str, folder: &str, more: &[&str]) -> Output {
    let words = given(lab, book, folder);
    let words: Vec<&str> =
        ["run"].into_iter().chain(words.iter().map(String::as_str)).chain(more.iter().copied()).collect();
    run(lab, &words)
}

/// Runs it, and it must end with this code.
fn ends(lab: &Lab, code: i32, book: &str, folder: &str, more: &[&str]) -> String {
    let output = renew(lab, book, folder, more);
    assert_eq!(output.status.code(), Some(code), "{book} {folder} {more:?}: {}", said(&output));
    said(&output)
}

#[test]
fn an_expired_certificate_is_replaced_and_the_dry_run_said_so() {
    let lab = Lab::scene("web");
    let (before, main) = (world(&lab), pid(&lab, "a"));
    let plan = ends(&lab, 0, "cert-renew", "new", &["-C"]);
    for word in ["has expired", "the key is its own", "file ", "outputs.key_matches == true"] {
        assert!(plan.contains(word), "{word}: {plan}");
    }
    assert_eq!(world(&lab), before, "the dry-run changed something");
    ends(&lab, 0, "cert-renew", "new", &["-y"]);
    assert_eq!(shown(&lab, "a"), serial(lab.dir.join("new/cert.pem")));
    assert_eq!(pid(&lab, "a"), main, "a reload keeps the main process");
    for file in ["cert.pem", "key.pem"] {
        let read = |folder: &str| std::fs::read(lab.dir.join(folder).join(file)).unwrap();
        assert_eq!(read("a/tls"), read("new"), "{file}");
    }
    let now = files(&lab);
    assert!(now.contains("\nkey.pem 600 ") || now.starts_with("key.pem 600 "), "{now}");
    assert_eq!(now.matches(".playbook-").count(), 2, "the ones from before are kept: {now}");
    // Again: nothing is to be written, and nothing goes wrong.
    let said = ends(&lab, 0, "cert-renew", "new", &["-y"]);
    assert!(said.contains("is what it should be already"), "{said}");
}

#[test]
fn a_failure_of_any_step_brings_the_old_pair_back() {
    let lab = Lab::scene("web");
    let (before, main) = (world(&lab), pid(&lab, "a"));
    for step in ["way_back", "key", "certificate", "reload", "shown", "healthy"] {
        let book = failing_at(&lab.dir, "cert-renew", step);
        let said = ends(&lab, 10, book.to_str().unwrap(), "new", &["-y"]);
        // nginx shows it a moment after it was told to.
        until(&format!("after {step} the old one is shown: {said}"), || world(&lab) == before);
        assert_eq!(pid(&lab, "a"), main, "{step}");
        assert_eq!(status(&lab)["verdict"], "rolled_back");
    }
}

#[test]
fn a_runner_killed_between_the_two_files_is_resumed_to_the_end() {
    let lab = Lab::scene("web");
    for after in ["key", "certificate"] {
        let words = given(&lab, "cert-renew", "new");
        let mut runner = playbook(&lab)
            .arg("run")
            .args(&words)
            .args(["-y", "--output", "jsonl"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
        let found = lines.by_ref().map_while(Result::ok).any(|line| {
            let record: serde_json::Value = serde_json::from_str(&line).unwrap();
            record["kind"] == if after == "key" { "outcome" } else { "intent" } && record["step"] == after
        });
        assert!(found, "{after} never came");
        runner.kill().unwrap();
        runner.wait().unwrap();
        let id = status(&lab)["run"].as_str().unwrap().to_owned();
        expect(&lab, 0, &["resume", &id]);
        until("the new one is shown", || shown(&lab, "a") == serial(lab.dir.join("new/cert.pem")));
        expect(&lab, 0, &["verify", &id]);
        // Back to the old pair, for the next round.
        for file in ["cert.pem", "key.pem"] {
            let mut old = std::fs::read_dir(lab.dir.join("a/tls")).unwrap().map(|entry| entry.unwrap().path());
            let old = old.find(|path| path.to_str().unwrap().contains(&format!(".{file}.playbook-"))).unwrap();
            std::fs::rename(old, lab.dir.join("a/tls").join(file)).unwrap();
        }
    }
}

#[test]
fn a_pair_that_does_not_fit_is_refused_before_anything_is_touched() {
    let lab = Lab::scene("web");
    let before = world(&lab);
    let copy = |from: &str, to: &str| {
        std::fs::create_dir_all(lab.dir.join(to).parent().unwrap()).unwrap();
        std::fs::copy(lab.dir.join(from), lab.dir.join(to)).unwrap();
    };
    copy("new/cert.pem", "mixed/cert.pem");
    copy("narrow/key.pem", "mixed/key.pem");
    std::fs::create_dir(lab.dir.join("stranger")).unwrap();
    let stranger = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=shop.example"])
        .args(["-addext", "subjectAltName=DNS:shop.example,DNS:www.shop.example"])
        .arg("-keyout")
        .arg(lab.dir.join("stranger/key.pem"))
        .arg("-out")
        .arg(lab.dir.join("stranger/cert.pem"))
        .output()
        .unwrap();
    assert!(stranger.status.success(), "{}", said(&stranger));
    for (folder, word) in [
        ("mixed", "outputs.key_matches == true"),
        ("narrow", "www.shop.example"),
        ("a/tls", "!outputs.expired"),
        ("stranger", "outputs.trusted"),
        ("nowhere", "nowhere/cert.pem"),
    ] {
        // Here, as the runner may read what it made itself; nginx's user may not.
        for more in [&["-C", "-i", "files_on=runner"][..], &["-y", "-i", "files_on=runner"]] {
            let said = ends(&lab, 1, "cert-renew", folder, more);
            assert!(said.contains(word), "{folder}: {word}: {said}");
        }
        assert_eq!(world(&lab), before, "{folder}");
    }
}

#[test]
fn a_key_on_the_host_that_is_not_the_certificates_is_seen_there() {
    let lab = Lab::scene("web");
    let words = given(&lab, "cert-renew", "new");
    let words: Vec<String> = words.into_iter().map(|word| word.replace("new/key.pem", "narrow/key.pem")).collect();
    let words: Vec<&str> = ["run", "-y"].into_iter().chain(words.iter().map(String::as_str)).collect();
    let said = expect(&lab, 1, &words);
    assert!(said.contains("outputs.key_matches == true"), "{said}");
}

#[test]
fn a_file_that_somebody_else_changed_is_left_and_a_person_is_told() {
    let lab = Lab::scene("web");
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks/cert-renew.yaml")).unwrap();
    let meddle = format!(
        "  - id: meddle\n    host: web1\n    run: echo '# a colleague' >>'{}/a/tls/cert.pem'; exit 1\n    effect: idempotent\n    \
         rollback: none\n    because: it is a colleague's\n  - id: reload\n",
        lab.dir.display()
    );
    let book = lab.dir.join("cert-renew.yaml");
    std::fs::write(&book, text.replace("  - id: reload\n", &meddle)).unwrap();
    let said = ends(&lab, 11, book.to_str().unwrap(), "new", &["-y", "--no-wait"]);
    for word in ["somebody else changed", "a/tls/cert.pem", "puts it back"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let now = std::fs::read_to_string(lab.dir.join("a/tls/cert.pem")).unwrap();
    assert!(now.ends_with("# a colleague\n"), "it was touched");
    assert!(files(&lab).contains(".cert.pem.playbook-"), "the one from before is gone");
}

/// Everything below a folder that holds a text, but for some files.
fn holding(folder: &Path, text: &[u8], but: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(holding(&path, text, but));
        } else if kind.is_file() && !but.contains(&path) {
            let bytes = std::fs::read(&path).unwrap_or_default();
            if bytes.windows(text.len()).any(|window| window == text) {
                found.push(path);
            }
        }
    }
    found
}

/// Looks at the arguments and variables of all processes, again and again, for some texts.
fn watch(texts: Vec<Vec<u8>>, stop: Arc<AtomicBool>) -> std::thread::JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let mut found = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").unwrap().flatten() {
                for file in ["cmdline", "environ"] {
                    let bytes = std::fs::read(entry.path().join(file)).unwrap_or_default();
                    if texts.iter().any(|text| bytes.windows(text.len()).any(|window| window == text)) {
                        found.push(format!("{} {file}", entry.path().display()));
                    }
                }
            }
        }
        found
    })
}

#[test]
fn the_private_key_is_in_no_record_no_argument_and_no_variable() {
    let lab = Lab::scene("web");
    let key = std::fs::read_to_string(lab.dir.join("new/key.pem")).unwrap();
    let line = key.lines().nth(1).unwrap().as_bytes().to_vec();
    // The same line as it travels, in base64, at any offset: its middle is enough.
    let travels = Command::new("sh").args(["-c", "base64 -w0 \"$1\"", "sh"]).arg(lab.dir.join("new/key.pem")).output();
    let travels = travels.unwrap().stdout[60..120].to_vec();
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = watch(vec![line.clone(), travels.clone()], Arc::clone(&stop));
    let told = ends(&lab, 0, "cert-renew", "new", &["-y", "-i", "files_on=runner", "--output", "jsonl"]);
    stop.store(true, Ordering::Relaxed);
    assert_eq!(watcher.join().unwrap(), Vec::<String>::new());
    assert!(!told.contains(std::str::from_utf8(&line).unwrap()), "it was printed");
    let own = [lab.dir.join("new/key.pem"), lab.dir.join("a/tls/key.pem")];
    assert_eq!(std::fs::read(&own[1]).unwrap(), key.as_bytes(), "the key was not written at all");
    for text in [&line, &travels] {
        assert_eq!(holding(&lab.dir, text, &own), Vec::<PathBuf>::new());
    }
    assert!(!holding(&lab.dir, &line, &own[..1]).is_empty(), "the search finds nothing at all");
}
