//! Tokens over the command line: shown once, kept as digests, listed, revoked.

use serde_json::Value;

use crate::processes::{Place, said};

#[test]
fn a_token_is_shown_once_and_never_kept() {
    let place = Place::new();
    assert!(place.expect(0, &["token", "list"]).contains("there are no tokens"));
    assert!(!place.path("state").exists(), "to look for one makes no state");
    let made = place.run(&["token", "create", "ci", "--role", "trigger", "--role", "viewer", "--expires", "2d"]);
    assert_eq!(made.status.code(), Some(0), "{}", said(&made));
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert!(token.starts_with("pbk_") && token.len() == 47, "standard output has the token and nothing else: {token}");
    let told = String::from_utf8(made.stderr).unwrap();
    assert!(told.contains("trigger, viewer") && told.contains("shown this once") && !told.contains(&token), "{told}");
    for entry in std::fs::read_dir(place.path("state")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap_or_default();
        let kept = bytes.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!kept, "the token itself is kept");
    }
    let listed = place.expect(0, &["token", "list"]);
    assert!(listed.contains("ci") && listed.contains("never used") && !listed.contains(&token), "{listed}");
    let taken = place.expect(77, &["token", "create", "ci", "--role", "admin"]);
    assert!(taken.contains("there is a token `ci` already") && taken.contains("token revoke ci"), "{taken}");
    assert!(place.expect(66, &["token", "revoke", "c"]).contains("no token `c`"));
    assert!(place.expect(0, &["token", "revoke", "ci"]).contains("counts no more"));
    assert!(place.expect(66, &["token", "revoke", "ci"]).contains("nothing was revoked"));
    let again = place.json(&["token", "create", "ci", "--role", "admin", "--output", "json"]);
    assert!(again["token"].as_str().is_some_and(|token| token.starts_with("pbk_")), "{again}");
    let all = place.json(&["token", "list", "--output", "json"]);
    let counts: Vec<&Value> = all.as_array().unwrap().iter().map(|one| &one["counts"]).collect();
    assert_eq!(counts, [false, true], "{all}");
}

#[test]
fn what_makes_no_token_is_said() {
    let place = Place::new();
    for words in [
        vec!["token", "create", "a b", "--role", "viewer"],
        vec!["token", "create", "ci"],
        vec!["token", "create", "ci", "--role", "boss"],
        vec!["token", "create", "ci", "--role", "viewer", "--expires", "soon"],
        vec!["token", "create", "ci", "--role", "viewer", "--expires", "400d"],
    ] {
        place.expect(64, &words);
    }
    assert!(!place.path("state").exists(), "nothing was made");
}
