//! What monitoring sends: handed on byte by byte, whoever says that they send it.

use super::*;

fn send(rig: &Rig, source: &str, more: &str, body: &str) -> Reply {
    rig.say(&format!(
        "POST /v1/hooks/{source} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    ))
}

#[test]
fn what_is_sent_is_handed_on_as_it_is_and_proves_itself() {
    let rig = Rig::new();
    let body = "{ \"alerts\" :  [ ] }\n";
    let taken = send(&rig, "monitoring", "X-Proof: word\r\n", body);
    assert_eq!((taken.status, &taken.json()["delivery"]), (202, &json!(body)), "{taken:?}");
    // A token of ours proves nothing of what is sent, and a secret of theirs is no token of ours.
    let admin = format!("Authorization: Bearer {}\r\n", rig.admin());
    send(&rig, "monitoring", &admin, body).problem(401);
    assert_eq!(send(&rig, "monitoring", "X-Proof: word\r\nAuthorization: Bearer theirs\r\n", body).status, 202);
    send(&rig, "elsewhere", "X-Proof: word\r\n", body).problem(404);
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
    assert_eq!(send(&rig, "monitoring", "X-Proof: word\r\n", "{}").status, 202);
}
