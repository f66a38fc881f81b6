//! What monitoring sends: on the disk before it is answered, and nobody's before it is proved.

use super::*;
use crate::journal::Hooks as _;

fn send(rig: &Rig, source: &str, more: &str, body: &str) -> Reply {
    rig.say(&format!(
        "POST /v1/hooks/{source} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    ))
}

const PROOF: &str = "Authorization: Bearer word\r\n";

#[test]
fn what_is_sent_is_on_the_disk_once_and_proves_itself() {
    let rig = Rig::new();
    let body = r#"{"version":"4","groupKey":"g","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"A"},
        "annotations":{},"startsAt":"2026-11-22T15:20:30Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"f"}]}"#;
    let taken = send(&rig, "monitoring", PROOF, body);
    assert_eq!((taken.status, &taken.json()["new"]), (202, &json!(true)), "{taken:?}");
    let rows = rig.journal().received(10).unwrap();
    assert_eq!(rows.iter().map(|row| row.body.as_slice()).collect::<Vec<_>>(), [body.as_bytes()]);
    let again = send(&rig, "monitoring", PROOF, body);
    assert_eq!((again.status, &again.json()["new"]), (202, &json!(false)), "{again:?}");
    assert_eq!(again.json()["number"], taken.json()["number"]);
    // A token of ours proves nothing of what is sent; and whether there is such a source is told to nobody.
    let admin = format!("Authorization: Bearer {}\r\n", rig.admin());
    send(&rig, "monitoring", &admin, body).problem(401);
    send(&rig, "elsewhere", PROOF, body).problem(401);
    assert_eq!(send(&rig, "monitoring", PROOF, "nonsense").status, 422);
    assert_eq!(rig.journal().received(10).unwrap().len(), 1);
    let mut stream = rig.connect();
    let head = "POST /v1/hooks/monitoring HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    Reply::of(&read).problem(413);
}

#[test]
fn whoever_sends_what_is_not_proved_waits() {
    let strangers = Rate { per_second: 0.5, burst: 3.0 };
    let rig = Rig::with(None, Limits { strangers, ..quick() });
    let statuses: Vec<u16> = (0..5).map(|_| send(&rig, "monitoring", "", "{}").status).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
    assert_eq!(send(&rig, "monitoring", PROOF, "{}").status, 422, "who is known waits for nobody");
}
