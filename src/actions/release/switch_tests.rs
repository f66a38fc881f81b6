use std::path::Path;

use super::*;
use crate::actions::release::target::Release;

fn inventory(folder: &Path) -> Inventory {
    let folder = folder.display().to_string();
    serde_json::from_value(json!({
        "environment": "lab",
        "services": { "shop-1": { "status": ["true"] } },
        "applications": { "shop": {
            "services": ["shop-1"], "releases": format!("{folder}/releases"), "current": format!("{folder}/current"),
            "complete": "RELEASE", "busy": format!("{folder}/busy"),
        } },
    }))
    .unwrap()
}

/// A folder with two releases, and a link to the second.
fn world() -> (tempfile::TempDir, Context) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["r1", "r2", "empty", "part"] {
        std::fs::create_dir_all(folder.path().join("releases").join(name)).unwrap();
    }
    for file in ["r1/RELEASE", "r2/RELEASE", "part/some"] {
        std::fs::write(folder.path().join("releases").join(file), "x").unwrap();
    }
    std::os::unix::fs::symlink("releases/r2", folder.path().join("current")).unwrap();
    let spool = folder.path().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let context = Context {
        inventory: std::sync::Arc::new(inventory(folder.path())),
        spool,
        output: std::sync::Arc::new(|_, _| {}),
    };
    (folder, context)
}

fn leads(folder: &Path) -> String {
    std::fs::read_link(folder.join("current")).unwrap().display().to_string()
}

/// Runs the script as an action does, with sh, here.
fn script(context: &Context, from: &str, to: &str, name: &str) -> (Option<i32>, String) {
    let target = Target::find(&context.inventory, "shop", "shop-1").unwrap();
    let command = target.command(SWITCH, &[("PLAYBOOK_FROM", from), ("PLAYBOOK_TO", to), ("PLAYBOOK_NAME", name)]);
    let output = std::process::Command::new("sh").args(["-c", SWITCH]).envs(command.environment).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn planned(context: &Context, release: &str) -> Prediction {
    Switch.plan(context, &json!({ "application": "shop", "service": "shop-1", "release": release })).await.unwrap()
}

/// What lies beside the link: nothing that was begun is left there.
fn beside(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().display().to_string()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_plan_says_what_would_change_and_what_stands_against_it() {
    let (folder, context) = world();
    let good = planned(&context, "r1").await;
    assert_eq!(good.refusals, Vec::<String>::new());
    assert_eq!((&good.facts["leads"], &good.facts["writes"]), (&json!("releases/r2"), &json!("releases/r1")));
    for (release, word) in
        [("r2", "already"), ("r9", "it has r"), ("empty", "empty folder"), ("part", "has no RELEASE")]
    {
        let refusals = planned(&context, release).await.refusals;
        assert!(refusals.len() == 1 && refusals[0].contains(word), "{release}: {refusals:?}");
    }
    std::os::unix::fs::symlink("/etc", folder.path().join("releases/away")).unwrap();
    assert!(planned(&context, "away").await.refusals[0].contains("could lead anywhere"));
    std::fs::write(folder.path().join("busy"), "").unwrap();
    assert!(planned(&context, "r1").await.refusals[0].contains("somebody deploys"));
    std::fs::remove_file(folder.path().join("busy")).unwrap();
    std::fs::remove_file(folder.path().join("current")).unwrap();
    assert!(planned(&context, "r1").await.refusals[0].contains("there is no link"));
    std::fs::create_dir(folder.path().join("current")).unwrap();
    assert!(planned(&context, "r1").await.refusals[0].contains("is a folder and no link"));
}

#[tokio::test]
async fn a_link_that_leads_nowhere_is_mended_and_led_back() {
    let (folder, context) = world();
    std::fs::remove_dir_all(folder.path().join("releases/r2")).unwrap();
    let plan = planned(&context, "r1").await;
    assert!(plan.refusals.is_empty() && plan.notes[0].contains("nothing is there"), "{plan:?}");
    assert_eq!(script(&context, "releases/r2", "releases/r1", "r1").0, Some(0));
    assert_eq!(script(&context, "releases/r1", "releases/r2", "").0, Some(0));
    assert_eq!(leads(folder.path()), "releases/r2");
}

#[tokio::test]
async fn hostile_names_forge_no_line_and_are_counted() {
    let (folder, context) = world();
    for name in ["$(touch x)", "a b", "x\nkind=folder", "-rf", "ü", "a;b"] {
        std::fs::create_dir(folder.path().join("releases").join(name)).unwrap();
    }
    let plan = planned(&context, "r1").await;
    assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
    assert!(plan.notes.iter().any(|note| note.starts_with("6 in ")), "{:?}", plan.notes);
    std::fs::remove_file(folder.path().join("current")).unwrap();
    std::os::unix::fs::symlink("releases/r1\nkind=link\nleads=releases/r2", folder.path().join("current")).unwrap();
    let plan = planned(&context, "r1").await;
    assert!(plan.refusals[0].contains("characters that are none of a release's"), "{:?}", plan.refusals);
}

#[test]
fn the_script_switches_at_one_stroke_and_leaves_nothing_beside() {
    let (folder, context) = world();
    let before = beside(folder.path());
    assert_eq!(script(&context, "releases/r2", "releases/r1", "r1"), (Some(0), String::new()));
    assert_eq!((leads(folder.path()).as_str(), beside(folder.path())), ("releases/r1", before.clone()));
    // Once more is as good as once.
    assert_eq!(script(&context, "releases/r2", "releases/r1", "r1").0, Some(0));
    assert_eq!(script(&context, "releases/r1", "releases/r2", "").0, Some(0));
    assert_eq!((leads(folder.path()).as_str(), beside(folder.path())), ("releases/r2", before));
}

#[test]
fn the_script_itself_refuses_what_came_about_after_the_look() {
    let (folder, context) = world();
    let refused = |from: &str, to: &str, name: &str, word: &str| {
        let (code, said) = script(&context, from, to, name);
        assert!(code == Some(NOTHING) && said.contains(word), "{code:?} {said}");
        assert!(!beside(folder.path()).iter().any(|name| name.contains("playbook-new")), "{:?}", beside(folder.path()));
    };
    refused("releases/r1", "releases/r0", "r0", "somebody else switched");
    refused("releases/r2", "releases/r9", "r9", "there is no release r9");
    refused("releases/r2", "releases/empty", "empty", "is empty");
    refused("releases/r2", "releases/part", "part", "is not complete");
    refused("releases/r2", "elsewhere/r1", "r1", "does not lead to");
    std::fs::write(folder.path().join("busy"), "").unwrap();
    refused("releases/r2", "releases/r1", "r1", "somebody deploys");
    assert_eq!(leads(folder.path()), "releases/r2");
    // Going back is not kept from anybody by a deployment that begins, and never by a folder of somebody's.
    assert_eq!(script(&context, "releases/r2", "releases/r1", "").0, Some(0));
    std::fs::remove_file(folder.path().join("current")).unwrap();
    std::fs::create_dir(folder.path().join("current")).unwrap();
    refused("releases/r2", "releases/r1", "r1", "is no link any more");
}

#[test]
fn what_took_effect_is_seen_by_the_link_itself() {
    let (_folder, context) = world();
    let target = Target::find(&context.inventory, "shop", "shop-1").unwrap();
    let before = json!({ "leads": "releases/r2", "writes": "releases/r1", "current": "r2" });
    let seen = |leads: &str| Seen::of(&format!("leads={leads}\n"));
    assert!(matches!(judge(&target, &seen("releases/r1"), "r1", &before), Finding::TookEffect { .. }));
    assert!(matches!(judge(&target, &seen("releases/r2"), "r1", &before), Finding::DidNot { .. }));
    assert!(matches!(judge(&target, &seen("releases/r3"), "r1", &before), Finding::CannotTell { .. }));
    assert!(matches!(judge(&target, &Seen::default(), "r1", &before), Finding::CannotTell { .. }));
}

#[test]
fn a_link_stays_relative_where_it_was() {
    let (folder, context) = world();
    let target = Target::find(&context.inventory, "shop", "shop-1").unwrap();
    let whole = format!("{}/releases/r1", folder.path().display());
    assert_eq!(target.wording("releases/r2", "r1"), "releases/r1");
    for now in [whole.as_str(), "../x/releases/r2", "r2", "/elsewhere/r2", "", "releases/x/r2"] {
        assert_eq!(target.wording(now, "r1"), whole, "{now}");
    }
    let seen = Seen::of("release=5 whole b\nrelease=9 whole a\nrelease=x whole c\n");
    let names: Vec<&str> = seen.whole().map(|Release { name, .. }| name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
}
