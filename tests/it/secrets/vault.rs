//! Secrets of a vault. HashiCorp Vault and OpenBao are not to be had from Debian's packages, so a small real server speaks
//! here what their documentation of the key/value engine, version 2, says.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::telling;
use crate::processes::{Place, said};

const SECRET: &str = "vaulted-77-nightingale";
const TOKEN: &str = "hvs.test-token-4711";

/// What was asked for: method and path, and the headers.
type Asked = Arc<Mutex<Vec<(String, BTreeMap<String, String>)>>>;

/// It ends with the process of the tests.
fn server() -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &seen);
        }
    });
    (address, asked)
}

fn answer(mut stream: TcpStream, asked: &Asked) {
    let mut text = String::new();
    let mut piece = [0_u8; 1024];
    while !text.contains("\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count @ 1..) => text.push_str(&String::from_utf8_lossy(&piece[..count])),
            _ => return,
        }
    }
    let mut lines = text.lines();
    let request = lines.next().unwrap_or_default().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let known = headers.get("x-vault-token").is_some_and(|token| token == TOKEN);
    let (status, body) = match path {
        _ if !known => ("403 Forbidden", r#"{"errors":["permission denied"]}"#.to_owned()),
        "/v1/secret/data/orders/db" => (
            "200 OK",
            format!(
                r#"{{"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":{{"data":{{"password":"{SECRET}","port":5432}},"metadata":{{"created_time":"2026-01-01T00:00:00Z","custom_metadata":null,"deletion_time":"","destroyed":false,"version":2}}}},"wrap_info":null,"warnings":null,"auth":null}}"#
            ),
        ),
        "/v1/secret/data/deleted" => (
            "404 Not Found",
            r#"{"data":{"data":null,"metadata":{"created_time":"x","deletion_time":"2026-01-02T00:00:00Z","destroyed":false,"version":1}}}"#.to_owned(),
        ),
        "/v1/secret/data/sealed" => ("503 Service Unavailable", r#"{"errors":["Vault is sealed"]}"#.to_owned()),
        "/v1/secret/data/elsewhere" => ("307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/", String::new()),
        _ => ("404 Not Found", r#"{"errors":[]}"#.to_owned()),
    };
    asked.lock().unwrap().push((request.clone(), headers.clone()));
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

const BOOK: &str = "  - id: use\n    run: 'test \"$PW\" = \"$(cat WORLD/secret)\" && echo \"got $PW\" && touch WORLD/used'\n    effect: idempotent\n\
                    \x20   env: { PW: \"{{inputs.password}}\" }\n    rollback: none\n    because: it is a test\n";

fn place() -> (Place, String) {
    let place = Place::new();
    std::fs::write(place.path("secret"), SECRET).unwrap();
    let book = place.book_with("uses", "inputs: { password: { type: string, sensitive: true, required: true } }", BOOK);
    (place, book)
}

fn run(place: &Place, book: &str, address: &str, token: Option<&str>, reference: &str) -> (Option<i32>, String) {
    let mut command = place.command(&["run", book, "-y", "-i", &format!("password={reference}")]);
    command.env("PLAYBOOK_LOG", "trace").env("VAULT_ADDR", address).env("HOME", place.path(""));
    for name in ["VAULT_NAMESPACE", "VAULT_CACERT", "BAO_ADDR", "BAO_TOKEN"] {
        command.env_remove(name);
    }
    match token {
        Some(token) => command.env("VAULT_TOKEN", token).env("VAULT_NAMESPACE", "team/a"),
        None => command.env_remove("VAULT_TOKEN"),
    };
    let output = command.output().unwrap();
    let text = said(&output);
    assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
    (output.status.code(), text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_field_of_a_vaults_secret_reaches_its_step() {
    let (address, asked) = server();
    let (place, book) = place();
    let (code, shown) =
        run(&place, &book, &format!("http://{address}"), Some(TOKEN), "vault:secret/orders/db#password");
    assert!(code == Some(0) && place.path("used").exists() && shown.contains("got ***"), "{shown}");
    let asked = asked.lock().unwrap();
    let (request, headers) = asked.first().unwrap();
    assert_eq!(request, "GET /v1/secret/data/orders/db HTTP/1.1");
    assert_eq!(headers.get("x-vault-namespace").map(String::as_str), Some("team/a"));
    assert_eq!(headers.get("x-vault-request").map(String::as_str), Some("true"));
    assert!(telling(&place.path("state"), SECRET).is_empty() && telling(&place.path("state"), TOKEN).is_empty());
}

#[test]
fn the_token_of_a_login_is_taken_and_a_refusal_says_what_to_do() {
    let (address, _) = server();
    let (place, book) = place();
    let address = format!("http://{address}");
    let (code, shown) = run(&place, &book, &address, None, "vault:secret/orders/db#password");
    assert!(code == Some(65) && shown.contains("vault login"), "{shown}");
    std::fs::write(place.path(".vault-token"), TOKEN).unwrap();
    let (code, shown) = run(&place, &book, &address, None, "vault:secret/orders/db#password");
    assert!(code == Some(0), "{shown}");
    for (reference, word) in [
        ("vault:secret/orders/db#pasword", "has no field pasword; it has password, port"),
        ("vault:secret/none#x", "has no secret secret/none"),
        ("vault:secret/deleted#x", "was deleted"),
        ("vault:secret/sealed#x", "is sealed or not ready (Vault is sealed)"),
        ("vault:secret/elsewhere#x", "sends us elsewhere"),
    ] {
        let (code, shown) = run(&place, &book, &address, Some(TOKEN), reference);
        assert!(code == Some(65) && shown.contains(word), "{reference}: {shown}");
    }
    let (code, shown) = run(&place, &book, &address, Some("wrong"), "vault:secret/orders/db#password");
    assert!(
        code == Some(65) && shown.contains("does not let this token read secret/orders/db (permission denied)"),
        "{shown}"
    );
    let (code, shown) = run(&place, &book, "http://127.0.0.1:1", Some(TOKEN), "vault:secret/orders/db#password");
    assert!(code == Some(65) && shown.contains("cannot be asked") && shown.contains("refused"), "{shown}");
}
