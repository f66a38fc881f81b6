//! `file.write` here and over a real sshd: whole or not at all, put back by its undo, and nothing of what stands in files is
//! told.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use playbook::actions::{Action, Call, Context, Table, recorder};
use playbook::inventory::Inventory;
use playbook::outcome::{Finding, Outcome, Report};
use playbook::spec::{Effect, Prediction};
use serde_json::{Value, json};

/// A folder with a file to be replaced, and the action.
struct Place {
    folder: tempfile::TempDir,
    context: Context,
    action: Arc<dyn Action>,
    printed: Arc<Mutex<Vec<u8>>>,
    host: Option<&'static str>,
}

impl Place {
    fn here() -> Self {
        Self::of(Inventory::default(), None)
    }

    fn of(inventory: Inventory, host: Option<&'static str>) -> Self {
        recorder::use_program(env!("CARGO_BIN_EXE_playbook").into());
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("spool")).unwrap();
        std::fs::create_dir(folder.path().join("etc")).unwrap();
        let printed = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&printed);
        let output = Arc::new(move |_: bool, piece: &[u8]| into.lock().unwrap().extend_from_slice(piece));
        let context = Context { inventory: Arc::new(inventory), spool: folder.path().join("spool"), output };
        let action = Arc::clone(Table::builtin().get("file.write").unwrap());
        Self { folder, context, action, printed, host }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("etc").join(name)
    }

    fn with(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn arguments(&self, path: &Path, more: Value) -> Value {
        let mut all = json!({ "host": self.host, "path": path, "newline": true, "follow_link": false });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    }

    async fn plan(&self, arguments: &Value) -> Prediction {
        self.action.plan(&self.context, arguments).await.unwrap_or_else(|error| panic!("{arguments}: {error}"))
    }

    fn call(&self, name: &str, arguments: &Value, before: &Value) -> Call {
        Call {
            key: name.to_owned(),
            attempt: format!("{name}-{}", self.folder.path().file_name().unwrap().display()).replace('.', ""),
            arguments: arguments.clone(),
            before: before.clone(),
            outputs: Value::Null,
            timeout: Duration::from_secs(30),
            kill_on_timeout: false,
            effect: Effect::Idempotent,
            age: None,
        }
    }

    /// Looks, and acts on what was seen.
    async fn write(&self, name: &str, arguments: &Value) -> (Value, Report) {
        let before = self.plan(arguments).await.facts;
        let report = self.action.run(&self.context, &self.call(name, arguments, &before)).await;
        (before, report)
    }

    async fn undo(&self, name: &str, arguments: &Value, before: &Value) -> Report {
        self.action.undo(&self.context, &self.call(name, arguments, before)).await
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("etc")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().display().to_string()).collect();
        names.sort();
        names
    }
}

async fn there_and_back(place: &Place) {
    let path = place.with("app.conf", "old canary-1\n", 0o640);
    let inode = std::fs::metadata(&path).unwrap().ino();
    let arguments = place.arguments(&path, json!({ "content": "new canary-2" }));
    let looked = place.plan(&arguments).await;
    assert_eq!((looked.changes.len(), looked.refusals.len()), (1, 0), "{looked:?}");
    assert!(!format!("{looked:?}").contains("canary"), "{looked:?}");
    assert_eq!(place.names(), ["app.conf"], "a look changed something");
    let (before, report) = place.write("one", &arguments).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert_eq!(report.outputs["sha256"], looked.outputs["sha256"], "the prediction came true");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new canary-2\n");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(place.names().len(), 2, "{:?}", place.names());
    let call = place.call("one", &arguments, &before);
    assert!(matches!(place.action.probe(&place.context, &call).await, Finding::TookEffect { .. }));
    // The same again does nothing, also under a new name and with what stood there at first.
    let again = place.action.run(&place.context, &place.call("two", &arguments, &before)).await;
    assert_eq!(again.outcome, Outcome::Done, "{}", again.message);
    for round in ["back", "backagain"] {
        let undone = place.undo(round, &arguments, &before).await;
        assert_eq!(undone.outcome, Outcome::Done, "{}", undone.message);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old canary-1\n");
        assert_eq!(place.names(), ["app.conf"]);
    }
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode, "it is the very file from before");
    assert!(!String::from_utf8_lossy(&place.printed.lock().unwrap()).contains("canary"));
    let new = place.path("new.conf");
    let arguments = place.arguments(&new, json!({ "content": "x", "mode": "0644" }));
    let (before, report) = place.write("new", &arguments).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert_eq!(std::fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(place.undo("newback", &arguments, &before).await.outcome, Outcome::Done);
    assert_eq!(place.names(), ["app.conf"]);
}

#[tokio::test]
async fn a_file_is_replaced_and_put_back_here() {
    there_and_back(&Place::here()).await;
}

#[cfg(feature = "ssh")]
#[tokio::test]
async fn a_file_is_replaced_and_put_back_over_ssh() {
    let sshd = crate::command::sshd::Sshd::start();
    let place = Place::of(sshd.inventory(), Some("db1"));
    there_and_back(&place).await;
    // Two MiB, which no argument and no variable could hold.
    let large = place.folder.path().join("large");
    std::fs::write(&large, "0123456789abcdef".repeat(131_072)).unwrap();
    let path = place.path("large.conf");
    let (_, report) = place.write("large", &place.arguments(&path, json!({ "source": large }))).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert!(std::fs::read(&path).unwrap() == std::fs::read(&large).unwrap());
    let (_, report) = place.write("from", &place.arguments(&place.path("copy"), json!({ "from": path }))).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert!(std::fs::read(place.path("copy")).unwrap() == std::fs::read(&large).unwrap());
}

#[tokio::test]
async fn what_somebody_else_wrote_is_never_overwritten() {
    let place = Place::here();
    let path = place.with("app.conf", "old\n", 0o600);
    let arguments = place.arguments(&path, json!({ "content": "ours" }));
    let before = place.plan(&arguments).await.facts;
    std::fs::write(&path, "theirs\n").unwrap();
    let report = place.action.run(&place.context, &place.call("late", &arguments, &before)).await;
    assert_eq!(report.outcome, Outcome::NoEffect, "{}", report.message);
    assert!(report.message.contains("somebody else changed"), "{}", report.message);
    let call = place.call("late", &arguments, &before);
    assert!(matches!(place.action.probe(&place.context, &call).await, Finding::CannotTell { .. }));
    let undone = place.undo("lateback", &arguments, &before).await;
    assert_eq!(undone.outcome, Outcome::Failed, "{}", undone.message);
    assert!(undone.message.contains("left as it is"), "{}", undone.message);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theirs\n");
    // Ours, and then the snapshot is spoiled: nothing wrong is put back.
    let (before, report) = place.write("spoiled", &arguments).await;
    std::fs::write(report.outputs["snapshot"].as_str().unwrap(), "spoiled").unwrap();
    let undone = place.undo("spoiledback", &arguments, &before).await;
    assert_eq!(undone.outcome, Outcome::Failed, "{}", undone.message);
    assert!(undone.message.contains("from a backup"), "{}", undone.message);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "ours\n");
}

#[tokio::test]
async fn a_mode_alone_is_changed_and_put_back() {
    let place = Place::here();
    let path = place.with("app.conf", "same\n", 0o644);
    let arguments = place.arguments(&path, json!({ "content": "same", "mode": "0600" }));
    let (before, report) = place.write("mode", &arguments).await;
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!((report.outcome, mode()), (Outcome::Done, 0o600), "{}", report.message);
    assert_eq!(place.undo("modeback", &arguments, &before).await.outcome, Outcome::Done);
    assert_eq!((mode(), place.names()), (0o644, vec!["app.conf".to_owned()]));
}

#[tokio::test]
async fn a_link_is_followed_only_where_it_is_said() {
    let place = Place::here();
    let path = place.with("real.conf", "old\n", 0o600);
    let link = place.path("link.conf");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let arguments = place.arguments(&link, json!({ "content": "new" }));
    let refusals = place.plan(&arguments).await.refusals;
    assert!(refusals.len() == 1 && refusals[0].contains("is a link to"), "{refusals:?}");
    assert_eq!(place.write("refused", &arguments).await.1.outcome, Outcome::NoEffect);
    let arguments = place.arguments(&link, json!({ "content": "new", "follow_link": true }));
    let (before, report) = place.write("followed", &arguments).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink(), "the link is no link any more");
    assert_eq!(place.undo("back", &arguments, &before).await.outcome, Outcome::Done);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\n");
}

#[tokio::test]
async fn a_disk_that_is_full_keeps_the_old_file_whole() {
    let Some(disk) = crate::journal_faults::disk::Disk::in_memory(128) else { return };
    let place = Place::here();
    let path = disk.path("app.conf");
    std::fs::write(&path, "old\n").unwrap();
    let source = place.folder.path().join("large");
    std::fs::write(&source, vec![b'x'; 100_000]).unwrap();
    let arguments = place.arguments(&path, json!({ "source": source }));
    let before = place.plan(&arguments).await.facts;
    // What there was room for when it was looked at is gone when it is written.
    disk.fill();
    let late = place.action.run(&place.context, &place.call("full", &arguments, &before)).await;
    assert_eq!(late.outcome, Outcome::NoEffect, "{}", late.message);
    assert!(late.message.contains("0 KiB left"), "{}", late.message);
    assert!(place.plan(&arguments).await.refusals[0].contains("KiB left"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\n");
    // An empty file has room to be begun, and its folder's entry has none to spare: the undo needs no room at all.
    disk.empty();
    let small = place.arguments(&path, json!({ "content": "new" }));
    let (before, report) = place.write("small", &small).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    disk.fill();
    assert_eq!(place.undo("smallback", &small, &before).await.outcome, Outcome::Done);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old\n");
}

#[tokio::test]
async fn what_a_killed_attempt_left_is_cleared_away() {
    let place = Place::here();
    let path = place.with("app.conf", "old\n", 0o600);
    let days = std::time::SystemTime::now() - Duration::from_secs(2 * 86_400);
    let leave = || {
        let left = place.path(".app.conf.playbook-new.abc123");
        std::fs::create_dir(&left).unwrap();
        std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(left.join("new"), "half").unwrap();
        std::fs::File::open(&left).unwrap().set_modified(days).unwrap();
    };
    leave();
    let arguments = place.arguments(&path, json!({ "content": "new" }));
    let (before, report) = place.write("after", &arguments).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert_eq!(place.names().len(), 2, "{:?}", place.names());
    leave();
    assert_eq!(place.undo("back", &arguments, &before).await.outcome, Outcome::Done);
    assert_eq!(place.names(), ["app.conf"]);
}

#[tokio::test]
async fn no_name_is_read_as_anything_else() {
    let place = Place::here();
    let evil = place.folder.path().join("evil");
    let forged = format!("x\\npath={}\\nkind=absent\\nfolder=open", evil.display());
    let link = place.path("link");
    std::os::unix::fs::symlink(forged, &link).unwrap();
    let arguments = place.arguments(&link, json!({ "content": "new" }));
    let refusals = place.plan(&arguments).await.refusals;
    assert!(refusals.len() == 1 && refusals[0].contains("is a link to"), "{refusals:?}");
    assert_eq!(place.write("forged", &arguments).await.1.outcome, Outcome::NoEffect);
    assert!(!evil.exists());
    let path = place.path(r"new\\q");
    let (before, report) = place.write("slashes", &place.arguments(&path, json!({ "content": "new" }))).await;
    assert_eq!((report.outcome, before["path"].as_str()), (Outcome::Done, path.to_str()), "{}", report.message);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
    // A link to `real` and a line end is none to `real`.
    place.with("real", "real\n", 0o600);
    place.with("real\n", "other\n", 0o600);
    let odd = place.path("odd");
    std::os::unix::fs::symlink("real\n", &odd).unwrap();
    let arguments = place.arguments(&odd, json!({ "content": "new", "follow_link": true }));
    let refused = place.action.plan(&place.context, &arguments).await.unwrap_err().to_string();
    assert!(refused.contains("a control character"), "{refused}");
    assert_eq!(std::fs::read_to_string(place.path("real")).unwrap(), "real\n");
}

#[tokio::test]
async fn a_link_that_was_turned_meanwhile_is_not_followed() {
    let place = Place::here();
    let (one, two) = (place.with("one", "old\n", 0o600), place.with("two", "old\n", 0o600));
    let link = place.path("link");
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let arguments = place.arguments(&link, json!({ "content": "new", "follow_link": true }));
    let before = place.plan(&arguments).await.facts;
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&two, &link).unwrap();
    let report = place.action.run(&place.context, &place.call("turned", &arguments, &before)).await;
    assert_eq!(report.outcome, Outcome::NoEffect, "{}", report.message);
    assert!(report.message.contains("when it was looked at"), "{}", report.message);
    for path in [one, two] {
        assert_eq!(std::fs::read_to_string(path).unwrap(), "old\n");
    }
}

#[tokio::test]
async fn modes_and_owners_are_compared_as_the_system_does() {
    let place = Place::here();
    let path = place.with("app.conf", "same\n", 0o640);
    let meta = std::fs::metadata(&path).unwrap();
    for owner in [format!("{}", meta.uid()), format!("{}:{}", meta.uid(), meta.gid())] {
        let same = place.arguments(&path, json!({ "content": "same", "mode": "0640", "owner": owner }));
        assert_eq!(place.plan(&same).await.changes.len(), 0, "{owner}");
    }
    let closed = place.arguments(&path, json!({ "content": "same", "mode": "000" }));
    assert_eq!(place.plan(&closed).await.changes.len(), 1);
    let (before, report) = place.write("closed", &closed).await;
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!((report.outcome, mode()), (Outcome::Done, 0), "{}", report.message);
    if meta.uid() == 0 {
        assert_eq!(place.undo("closedback", &closed, &before).await.outcome, Outcome::Done);
        assert_eq!((mode(), place.names()), (0o640, vec!["app.conf".to_owned()]));
    }
}

#[tokio::test]
async fn a_file_that_is_no_configuration_is_refused_unread() {
    let place = Place::here();
    let path = place.with("app.conf", "", 0o600);
    std::fs::File::create(&path).unwrap().set_len(64 << 30).unwrap();
    for arguments in [
        place.arguments(&path, json!({ "content": "new" })),
        place.arguments(&place.path("new"), json!({ "from": path })),
    ] {
        let said = match place.action.plan(&place.context, &arguments).await {
            Ok(prediction) => prediction.refusals.join(", "),
            Err(error) => error.to_string(),
        };
        assert!(said.contains("has 68719476736 bytes"), "{said}");
    }
}

#[tokio::test]
async fn a_disk_that_is_mounted_read_only_is_named() {
    let Some(disk) = crate::journal_faults::disk::Disk::in_memory(128) else { return };
    let mut remount = std::process::Command::new("mount");
    assert!(remount.args(["-o", "remount,ro"]).arg(disk.root()).status().unwrap().success());
    let place = Place::here();
    let refusals = place.plan(&place.arguments(&disk.path("app.conf"), json!({ "content": "new" }))).await.refusals;
    let mount = format!("mounted read-only ({})", disk.root().display());
    assert!(refusals.len() == 1 && refusals[0].contains(&mount), "{refusals:?}");
}

#[test]
fn a_folder_that_may_not_be_written_to_is_said_before_anything_is_done() {
    let lab = crate::lab::Lab::scene("web");
    let closed = lab.dir.join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    let book = lab.dir.join("write.yaml");
    let text = format!(
        "name: write\nversion: 1.0.0\nsteps:\n  - id: put\n    uses: file.write\n    with: {{ host: web1, path: \"{}/x\", content: canary }}\n",
        closed.display()
    );
    std::fs::write(&book, text).unwrap();
    for more in ["-C", "-y"] {
        let said = crate::failover::expect(&lab, 1, &["run", book.to_str().unwrap(), more]);
        assert!(said.contains("may not write into the folder") && said.contains("give `become`"), "{said}");
    }
    assert_eq!(std::fs::read_dir(&closed).unwrap().count(), 0);
}
