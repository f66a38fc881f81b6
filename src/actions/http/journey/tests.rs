//! Journeys against small servers of our own, honest and hostile.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::outcome::Outcome;

/// Answers each request by what a function makes of it, one connection each; keeps what it was asked.
async fn server(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (keep, answer) = (Arc::clone(&asked), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (keep, answer) = (Arc::clone(&keep), Arc::clone(&answer));
            tokio::spawn(async move {
                let mut buffer = vec![0; 16384];
                let length = stream.read(&mut buffer).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let bytes = answer(&text);
                keep.lock().unwrap().push(text);
                let _ = stream.write_all(&bytes).await;
            });
        }
    });
    (url, asked)
}

fn ok(body: &str) -> Vec<u8> {
    with("200 OK", "", body)
}

fn with(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn context() -> Context {
    Context { inventory: Arc::default(), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) }
}

fn call(arguments: Value, effect: Effect) -> Call {
    Call {
        attempt: "test-1".to_owned(),
        key: "run-1.step-1".to_owned(),
        arguments,
        before: Value::Null,
        outputs: Value::Null,
        timeout: Duration::from_secs(3),
        kill_on_timeout: false,
        effect,
        age: None,
    }
}

#[tokio::test]
async fn a_user_logs_in_and_buys() {
    let (url, asked) = server(|asked| match asked.split(' ').nth(1) {
        Some("/session") => with("302 Found", "set-cookie: sid=secret-cookie; Path=/\r\nlocation: /home\r\n", ""),
        Some("/home") => ok("{\"user\": {\"name\": \"eve\"}, \"token\": \"tok-1234567\", \"cart\": [{\"id\": 42}]}"),
        _ => ok("done"),
    })
    .await;
    let context = context();
    let report = Journey
        .run(
            &context,
            &call(
                json!({ "url": url, "requests": [
                    { "name": "log in", "method": "POST", "path": ["session"], "form": { "user": "eve", "pw": "a&b=c" }, "follow": 1,
                      "expect": { "json": { "$.user.name": "eve" } },
                      "take": { "token": { "json": "$.token" }, "item": { "json": "$.cart[0].id" } } },
                    { "name": "buy", "method": "PUT", "path": ["cart", { "taken": "item" }], "query": { "q": "x y" },
                      "headers": { "authorization": { "taken": "token", "before": "Bearer " } },
                      "json": { "item": { "taken": "item" } }, "expect": { "contains": "done", "lacks": "error" } },
                ] }),
                Effect::Once,
            ),
        )
        .await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    let asked = asked.lock().unwrap().clone();
    assert!(asked[0].starts_with("POST /session ") && asked[0].ends_with("user=eve&pw=a%26b%3Dc"), "{}", asked[0]);
    assert!(asked[1].starts_with("GET /home ") && asked[1].contains("cookie: sid=secret-cookie\r\n"), "{}", asked[1]);
    assert!(
        asked[2].starts_with("PUT /cart/42?q=x+y ") && asked[2].contains("authorization: Bearer tok-1234567\r\n"),
        "{}",
        asked[2]
    );
    assert!(asked[2].ends_with("{\"item\":42}"), "{}", asked[2]);
    assert_eq!(report.outputs["requests"][1]["status"], 200);
    assert_eq!((report.outputs["passed"].as_u64(), &report.outputs["failed"]), (Some(2), &Value::Null));
    let told = format!("{} {}", report.message, report.outputs);
    assert!(!told.contains("tok-1234567") && !told.contains("secret-cookie"), "{told}");
}

#[tokio::test]
async fn the_first_bad_answer_ends_it_and_is_named() {
    let (url, asked) =
        server(|asked| if asked.contains("/b") { with("503 No", "", "no room") } else { ok("{}") }).await;
    let requests = json!([{ "name": "a", "path": ["a"] }, { "name": "the cart", "path": ["b"] }, { "path": ["c"] }]);
    let report = Journey.run(&context(), &call(json!({ "url": url, "requests": requests }), Effect::Read)).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(
        report.message.contains("request 2 of 3 (the cart, GET /b): it answered 503, not 200 to 299: no room"),
        "{}",
        report.message
    );
    assert_eq!((&report.outputs["failed"], &report.outputs["passed"]), (&json!("the cart"), &json!(1)));
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_became_of_a_writing_journey_is_said_honestly() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let post = json!([{ "method": "POST" }]);
    let to = |url: String| call(json!({ "url": url, "requests": post }), Effect::Once);
    let refused = Journey.run(&context(), &to(format!("http://{free}/"))).await;
    assert_eq!(refused.outcome, Outcome::NoEffect, "{}", refused.message);
    let (url, _) = server(|_| Vec::new()).await;
    let lost = Journey.run(&context(), &to(url)).await;
    assert_eq!(lost.outcome, Outcome::Unknown, "{}", lost.message);
    let (url, _) = server(|_| with("500 No", "", "")).await;
    let failed = Journey.run(&context(), &to(url.clone())).await;
    assert_eq!(failed.outcome, Outcome::Failed, "{}", failed.message);
    let first = json!([{}, { "method": "POST" }]);
    let early = Journey.run(&context(), &call(json!({ "url": url, "requests": first }), Effect::Once)).await;
    assert_eq!(early.outcome, Outcome::NoEffect, "the POST never left: {}", early.message);
}

#[tokio::test]
async fn hostile_answers_hurt_nobody() {
    let one = |more: Value| {
        let mut request = json!({ "expect": { "json": { "a": 1 } } });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([request])
    };
    let flood = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
        .iter()
        .copied()
        .chain(std::iter::repeat_n(b'[', 3_000_000))
        .collect::<Vec<u8>>();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (flood, "longer than 256 KiB"),
        (ok(&"[".repeat(200_000)), "no JSON"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"a\": 1}".to_vec(), "broke off"),
        (
            with("302 Found", "location: http://169.254.169.254/latest/meta-data\r\n", ""),
            "leads away to 169.254.169.254",
        ),
        (b"\0\0\0garbage\r\n\r\n".to_vec(), "request 1 of 1"),
        (with("200 OK", "content-encoding: gzip\r\n", "\x1f bomb"), "no JSON"),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(5000)).into_bytes(), "request 1 of 1"),
    ];
    for (answer, word) in cases {
        let (url, _) = server(move |_| answer.clone()).await;
        let report = Journey
            .run(&context(), &call(json!({ "url": url, "requests": one(json!({ "follow": 3 })) }), Effect::Read))
            .await;
        assert_eq!(report.outcome, Outcome::Failed);
        assert!(report.message.contains(word) && report.message.len() < 1000, "{word}: {}", report.message);
    }
    // A circle of redirects within the place ends.
    let (url, asked) = server(|_| with("302 Found", "location: /again\r\n", "")).await;
    let report = Journey
        .run(&context(), &call(json!({ "url": url, "requests": one(json!({ "follow": 5 })) }), Effect::Read))
        .await;
    assert!(report.message.contains("answered 302"), "{}", report.message);
    assert_eq!(asked.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn an_answer_that_never_ends_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        loop {
            if stream.write_all(b".").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let arguments = json!({ "url": url, "requests": [{}], "request_timeout": 0.3 });
    let report = Journey.run(&context(), &call(arguments, Effect::Read)).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.message.contains("broke off"), "{}", report.message);
    server.abort();
}

#[tokio::test]
async fn a_taken_value_stays_in_its_place() {
    for (value, word) in [("..", "no part of a path"), ("a\\r\\nx: y", "header"), ("a/../b?c#d", "all 2")] {
        let (url, asked) = server(move |_| ok(&format!("{{\"v\": \"{value}\"}}"))).await;
        let part = if word == "header" {
            json!({ "headers": { "x-v": { "taken": "v" } } })
        } else {
            json!({ "path": [{ "taken": "v" }] })
        };
        let requests = json!([{ "take": { "v": { "json": "v" } } }, part]);
        let report = Journey.run(&context(), &call(json!({ "url": url, "requests": requests }), Effect::Read)).await;
        assert!(report.message.contains(word), "{value}: {}", report.message);
        if word == "all 2" {
            let line = asked.lock().unwrap()[1].lines().next().unwrap().to_owned();
            assert_eq!(line, "GET /a%2F..%2Fb%3Fc%23d HTTP/1.1");
        }
    }
}

#[test]
fn what_is_no_journey_is_refused_before_anything_is_sent() {
    for (requests, word) in [
        (json!([]), "at least one"),
        (json!([{ "pth": ["a"] }]), "did you mean `path`"),
        (json!([{ "path": "a/b" }]), "list of parts"),
        (json!([{ "json": 1, "body": "x" }]), "one body"),
        (json!([{ "headers": { "x": { "taken": "token" } } }]), "names nothing"),
        (json!([{ "take": { "x": { "json": "a", "header": "b" } } }]), "take.x"),
        (json!([{ "method": "G T" }]), "no method"),
        (json!([{ "follow": 9 }]), "0 to 5"),
        (json!([{ "path": [".."] }]), "lead elsewhere"),
        (Value::Array(vec![json!({}); 51]), "at most 50"),
    ] {
        let why = request::read_all(&json!({ "url": "http://a/", "requests": requests })).unwrap_err();
        assert!(why.contains(word), "{requests}: {why}");
    }
    assert!(request::read_all(&json!({ "url": "ftp://a/", "requests": [{}] })).is_err());
}

#[tokio::test]
async fn nothing_of_what_is_to_be_taken_is_told_when_the_answer_is_not_as_it_has_to_be() {
    let answer = "{\"token\": \"tok-1234567\", \"pin\": \"123\", \"other\": \"canary\"}";
    let json = json!({ "t": { "json": "$.token" } });
    let all = ["tok-1234567", "123", "canary", "crumb-77"];
    for (status, take, expect, secrets) in [
        ("200 OK", json.clone(), json!({ "contains": "welcome" }), &all[..]),
        ("200 OK", json.clone(), json!({ "status": 204 }), &all[..]),
        ("200 OK", json!({ "t": { "json": "$.mistaken" } }), json!({ "contains": "welcome" }), &all[..]),
        ("200 OK", json.clone(), json!({ "json": { "$.token": "x" } }), &all[..1]),
        ("500 No", json, json!({}), &all[..1]),
        ("200 OK", json!({ "t": { "header": "x-t" } }), json!({ "headers": { "x-t": "y" } }), &["head-token"]),
        ("200 OK", json!({}), json!({ "headers": { "set-cookie": "y" } }), &["crumb-77"]),
    ] {
        let (url, _) = server(move |_| with(status, "x-t: head-token\r\nset-cookie: a=crumb-77\r\n", answer)).await;
        let requests = json!([{ "expect": expect, "take": take }]);
        let report = Journey.run(&context(), &call(json!({ "url": url, "requests": requests }), Effect::Read)).await;
        assert_eq!(report.outcome, Outcome::Failed);
        let told = format!("{} {}", report.message, report.outputs);
        assert!(!secrets.iter().any(|secret| told.contains(secret)), "{expect} {take}: {told}");
    }
}

#[tokio::test]
async fn what_a_target_chooses_is_masked_nowhere_else() {
    let (url, _) = server(|_| with("200 OK", "set-cookie: SERVERID=orders-pg1\r\n", "{\"t\": \"succeeded\"}")).await;
    let context = context();
    let requests = json!([{ "take": { "t": { "json": "t" } } }]);
    let report = Journey.run(&context, &call(json!({ "url": url, "requests": requests }), Effect::Read)).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    // Else the outputs of a later step would hold `***` where this server's name stands.
    assert_eq!(context.inventory.secrets.masker().text("orders-pg1 succeeded"), "orders-pg1 succeeded");
}

#[tokio::test]
async fn a_redirect_that_is_not_to_be_followed_may_lead_anywhere() {
    let (url, asked) = server(|_| with("301 No", "location: https://shop.example/\r\n", "")).await;
    let requests =
        |follow: u64| json!([{ "follow": follow, "expect": { "status": 301, "headers": { "location": "https://" } } }]);
    let run = |follow| call(json!({ "url": url, "requests": requests(follow) }), Effect::Read);
    let report = Journey.run(&context(), &run(0)).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    let report = Journey.run(&context(), &run(1)).await;
    assert!(report.message.contains("leads away to shop.example"), "{}", report.message);
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_to_a_writing_request_that_breaks_off_is_unknown() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf".to_vec();
    let (url, _) = server(move |_| half.clone()).await;
    let arguments = |method: &str| json!({ "url": url, "requests": [{ "method": method }] });
    let report = Journey.run(&context(), &call(arguments("POST"), Effect::Once)).await;
    assert_eq!(report.outcome, Outcome::Unknown, "{}", report.message);
    let report = Journey.run(&context(), &call(arguments("GET"), Effect::Once)).await;
    assert_eq!(report.outcome, Outcome::NoEffect, "{}", report.message);
}

#[tokio::test]
async fn a_keyed_journey_carries_its_key_and_cookies_join_those_that_are_given() {
    let (url, asked) = server(|_| with("200 OK", "set-cookie: sid=1; Path=/\r\n", "")).await;
    let requests = json!([{}, { "method": "POST", "headers": { "cookie": "own=2" } }, { "method": "PUT" }]);
    let run = |effect| call(json!({ "url": url, "requests": requests }), effect);
    Journey.run(&context(), &run(Effect::Keyed)).await;
    Journey.run(&context(), &run(Effect::Keyed)).await;
    Journey.run(&context(), &run(Effect::Once)).await;
    let asked = asked.lock().unwrap().clone();
    let key = |n: usize| asked[n].lines().find_map(|line| line.strip_prefix("idempotency-key: ").map(str::to_owned));
    assert_eq!((key(0), key(6), key(7)), (None, None, None));
    assert!(key(1).is_some() && key(1) == key(4) && key(2) == key(5) && key(1) != key(2), "{asked:?}");
    assert!(asked[1].contains("cookie: own=2; sid=1\r\n"), "{}", asked[1]);
}
