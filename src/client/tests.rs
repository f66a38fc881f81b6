//! What a client makes of answers that no server of ours would give: each is an error that says so, soon, and without the token.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use super::*;
use crate::journal::{Incidents as _, Journal as _, ServedJournal, Stored};

const TIME: crate::run::Time = crate::run::Time(1);

/// A server that answers everything with this. It ends with the test.
fn server(answer: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn ok(body: &str) -> String {
    with("200 OK", body)
}

fn with(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn journal(answer: &str) -> ServedJournal {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "pbk_canary-of-a-token\n").unwrap();
    let ticket = Ticket { token: Some(format!("file:{}", path.display())), certificates: None };
    let client = Client::of(Address::of(&server(answer)).unwrap(), &ticket).unwrap();
    ServedJournal::of(Arc::new(client))
}

#[test]
fn strange_answers_are_errors_and_no_endless_work() {
    let run = "20261122-1-aaaa".parse().unwrap();
    let digest = crate::ids::Digest::of(b"");
    let record = |seq: u64| {
        format!(
            "{{\"seq\":{seq},\"time\":1,\"epoch\":1,\"actor\":\"a\",\"previous\":\"{digest}\",\"hash\":\"{digest}\",\"event\":{{}}}}"
        )
    };
    let circle = format!("{{\"run\":\"x\",\"records\":[{},{}],\"next\":1}}", record(2), record(1));
    let forever = "{\"runs\":[],\"next\":\"20261122-1-aaaa\"}";
    for (what, answer, part) in [
        ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "does not answer"),
        ("nothing", String::new(), "does not answer"),
        ("no JSON", ok("<html>hello</html>"), "none that this version of playbook knows"),
        ("another form", ok("{\"runs\": 7}"), "none that this version of playbook knows"),
        (
            "a redirect",
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "302",
        ),
        ("a proxy", with("502 Bad Gateway", "<h1>Bad\u{1b}[2J Gateway</h1>"), "502, and not as"),
        ("half an answer", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"runs\":".to_owned(), "does not answer"),
    ] {
        let error = journal(&answer).runs().unwrap_err().to_string();
        assert!(error.contains(part), "{what}: {error}");
        assert!(!error.contains("canary"), "{what}: {error}");
    }
    let error = journal(&ok(&circle)).stored(&run).unwrap_err().to_string();
    assert!(error.contains("comes behind"), "{error}");
    assert!(journal(&ok(forever)).runs().unwrap_err().to_string().contains("goes in a circle"));
    let forever = "{\"incidents\":[],\"next\":\"inc-1\"}";
    assert!(journal(&ok(forever)).incidents().unwrap_err().to_string().contains("goes in a circle"));
}

#[test]
fn an_event_comes_as_it_is_stored_byte_by_byte() {
    let digest = crate::ids::Digest::of(b"");
    let event = "{ \"event\" : \"note\",  \"message\":\"\\u00e4 1.0\" }".to_owned();
    let stored = Stored {
        seq: 1,
        time: TIME,
        epoch: 1,
        actor: "a \"b\"".to_owned(),
        previous: digest.clone(),
        hash: digest,
        event,
    };
    let text = crate::journal::stored_json("run x", &stored).unwrap();
    let page = format!("{{\"run\":\"x\",\"records\":[{text}],\"next\":null}}");
    let run = "20261122-1-aaaa".parse().unwrap();
    assert_eq!(journal(&ok(&page)).stored(&run).unwrap(), [stored]);
}

#[test]
fn a_token_that_cannot_be_read_or_sent_is_said_before_anything_is() {
    let address = || Address::of("http://127.0.0.1:1").unwrap();
    let ticket = |token: &str| Ticket { token: Some(token.to_owned()), certificates: None };
    let missing = Client::of(address(), &ticket("file:/nowhere/at/all")).err().unwrap();
    assert!(matches!(missing, ClientError::Token(_)), "{missing}");
    let certificates = Ticket { token: None, certificates: Some("/nowhere/at/all".into()) };
    assert!(matches!(Client::of(address(), &certificates), Err(ClientError::Certificates { .. })));
}

#[test]
fn a_server_that_never_answered_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::of(Address::of(&address).unwrap(), &Ticket::default()).unwrap();
    let begun = Instant::now();
    let away = client.ask(Method::Get, "/v1/halt", None);
    assert!(matches!(away, Err(JournalError::Unreachable { away: Away::NotThere, .. })), "{away:?}");
    assert!(begun.elapsed() < AWAY, "{:?}", begun.elapsed());
}
