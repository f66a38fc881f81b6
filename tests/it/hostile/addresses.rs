//! `http`: where a value stands in a request, it stays there; what cannot be sent is refused before anything is.

use std::io::{Read as _, Write as _};
use std::sync::mpsc::{Receiver, channel};

use playbook::actions::Table;
use playbook::inventory::Inventory;
use playbook::outcome::Outcome;
use playbook::spec::Effect;
use serde_json::json;

use super::{Canary, call, context};

/// Answers every request and gives back what was asked, byte for byte.
fn server() -> (String, Receiver<Vec<u8>>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut piece = [0; 65_536];
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                request.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if request.len() >= head.len() + 4 + length.unwrap_or(0) {
                    break;
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if asked.send(request).is_err() {
                return;
            }
        }
    });
    (url, requests)
}

fn names(head: &str) -> Vec<&str> {
    head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect()
}

#[tokio::test]
async fn a_value_stays_where_it_was_put() {
    let canary = Canary::new();
    let folder = tempfile::tempdir().unwrap();
    let (context, table) = (context(folder.path(), Inventory::default()), Table::builtin());
    let http = table.get("http").unwrap();
    let (url, requests) = server();
    for (number, value) in canary.values().iter().enumerate() {
        let send = async |arguments: serde_json::Value| {
            let report = http.run(&context, &call(&format!("http-{number}"), Effect::Once, arguments)).await;
            assert!(matches!(report.outcome, Outcome::Done | Outcome::NoEffect), "{value:?}: {}", report.message);
            (report.outcome == Outcome::Done).then(|| requests.recv().unwrap())
        };
        let body = send(json!({ "url": url, "method": "POST", "body": value })).await.unwrap();
        let at = body.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(&body[at..], value.as_bytes(), "body");
        let plain = names(std::str::from_utf8(&body[..at]).unwrap()).len();

        let json = send(json!({ "url": url, "method": "POST", "json": { "v": value } })).await.unwrap();
        let at = json.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let back: serde_json::Value = serde_json::from_slice(&json[at..]).unwrap();
        assert_eq!(back["v"], *value, "json");

        // As a header's value it arrives alone, or it is refused: never a second header, never a second line.
        let sent = send(json!({ "url": url, "method": "POST", "body": value, "headers": { "x-value": value } })).await;
        match sent {
            Some(request) => {
                let head = String::from_utf8_lossy(&request).split("\r\n\r\n").next().unwrap().to_owned();
                assert_eq!(names(&head).len(), plain + 1, "{value:?}: {head}");
                assert!(!names(&head).iter().any(|name| name.eq_ignore_ascii_case("x-evil")), "{head}");
                let line = head.lines().find_map(|line| line.strip_prefix("x-value:")).unwrap();
                assert_eq!(line.trim(), value.trim(), "header");
            }
            None => assert!(!value.chars().all(|c| c.is_ascii_graphic() || c == ' '), "{value:?} was refused"),
        }
        let named = send(json!({ "url": url, "headers": { value.as_str(): "x" } })).await;
        assert!(named.is_none() || value.chars().all(|c| c.is_ascii_graphic()), "a header named {value:?}");

        // As a part of a path and in a query it is encoded.
        let placed = send(json!({ "url": format!("{url}/base"), "path": [value], "query": { "q": value } })).await;
        match placed {
            Some(request) => {
                let line = String::from_utf8_lossy(&request).lines().next().unwrap().to_owned();
                let target = line.strip_prefix("GET ").and_then(|rest| rest.strip_suffix(" HTTP/1.1")).unwrap();
                let (path, query) = target.split_once('?').unwrap();
                assert_eq!(path.matches('/').count(), 2, "{value:?}: {line}");
                assert!(path.starts_with("/base/") && !query.contains('&') && !target.contains('#'), "{line}");
                let asked = reqwest_like(query.strip_prefix("q=").unwrap());
                assert_eq!(asked, *value, "query");
            }
            None => assert!(["", ".", ".."].contains(&value.as_str()), "{value:?} was refused"),
        }
        // As the address itself it leads nowhere, or is refused: nothing reached the server.
        let report = http.run(&context, &call("url", Effect::Once, json!({ "url": value }))).await;
        assert_eq!(report.outcome, Outcome::NoEffect, "{value:?}: {}", report.message);
        assert!(requests.try_recv().is_err(), "{value:?} was sent somewhere");
    }
    canary.is_silent();
}

/// A value of a form, decoded by hand: the test does not trust what encoded it.
fn reqwest_like(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: String = [rest.next().unwrap(), rest.next().unwrap()].map(char::from).iter().collect();
                u8::from_str_radix(&hex, 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// What a person pastes asks for the same.
#[test]
fn the_printed_request_is_the_same_request() {
    let (url, requests) = server();
    let table = Table::builtin();
    for value in ["@/etc/passwd", "a[1-3]b{x,y}", "it's \"$(id)\" `id`\n\u{202e}"] {
        let arguments = json!({ "url": url, "method": "POST", "path": [value], "body": value });
        let lines = table.get("http").unwrap().by_hand(&Inventory::default(), &arguments);
        let pasted = std::process::Command::new("bash").args(["-c", &lines.join("\n")]).output();
        match pasted {
            Ok(output) if output.status.success() => {
                let request = requests.recv().unwrap();
                let at = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                assert_eq!(String::from_utf8_lossy(&request[at..]), value);
            }
            Ok(output) if String::from_utf8_lossy(&output.stderr).contains("curl: command not found") => {
                eprintln!("SKIPPED: the printed requests are not tried, as there is no curl on this machine");
                return;
            }
            other => panic!("{other:?}: {lines:?}"),
        }
    }
}
