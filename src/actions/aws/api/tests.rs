//! What each documented end of a request means: sent or not, done or not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::super::AwsError;
use super::replay::{ACCOUNT, Answer, Replay, identity, query_error};
use crate::inventory::Inventory;

async fn opened(answers: Vec<Answer>) -> AwsError {
    Replay::of(answers).cloud(Some(ACCOUNT)).await.err().unwrap()
}

fn inventory(port: u16) -> Inventory {
    let text =
        format!("environment: lab\nclouds:\n  here: {{ region: eu-central-1, endpoint: 'http://127.0.0.1:{port}' }}\n");
    serde_saphyr::from_str(&text).unwrap()
}

#[tokio::test(start_paused = true)]
async fn another_account_than_the_inventorys_is_never_touched() {
    let error = opened(vec![identity("210987654321")]).await;
    assert!(
        matches!(&error, AwsError::Invalid(text) if text.contains("210987654321") && text.contains(ACCOUNT)),
        "{error}"
    );
    let cloud = Replay::of([identity("210987654321")]).cloud(None).await.unwrap();
    assert_eq!(cloud.account(), "210987654321");
}

#[tokio::test(start_paused = true)]
async fn each_refusal_is_told_by_what_it_means() {
    for (status, code) in
        [(403, "ExpiredToken"), (403, "InvalidClientTokenId"), (403, "SignatureDoesNotMatch"), (400, "RequestExpired")]
    {
        let error = opened(vec![query_error(status, code, "old")]).await;
        assert!(
            matches!(&error, AwsError::Expired(text) if text.contains(code) && text.contains("nothing was done")),
            "{error}"
        );
    }
    let error = opened(vec![query_error(403, "AccessDenied", "no")]).await;
    assert!(matches!(&error, AwsError::Denied(text) if text.contains("may not do this")), "{error}");
    let error = opened(vec![query_error(400, "Odd", "a \u{9b}2J word")]).await;
    assert!(error.is("Odd") && !error.to_string().contains('\u{9b}'), "{error}");
    let faults: Vec<Answer> = (0..4).map(|_| query_error(500, "InternalError", "oops")).collect();
    let error = opened(faults).await;
    assert!(matches!(&error, AwsError::Lost(_)), "a fault of AWS's leaves open what was done: {error}");
}

#[tokio::test(start_paused = true)]
async fn a_reading_request_is_repeated_while_it_is_asked_too_often() {
    let replay = Replay::of([
        query_error(400, "Throttling", "rate"),
        query_error(503, "ServiceUnavailable", "busy"),
        identity(ACCOUNT),
    ]);
    assert!(replay.cloud(Some(ACCOUNT)).await.is_ok());
    assert_eq!((replay.asked().len(), replay.left()), (3, 0));
    let error = opened((0..4).map(|_| query_error(400, "Throttling", "rate")).collect()).await;
    assert!(matches!(&error, AwsError::Throttled(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_changing_request_is_repeated_only_where_nothing_was_done() {
    let (_, cloud) = Replay::open([]).await;
    for (first, wanted) in [("throttled", 2), ("lost", 1), ("refused", 1)] {
        let sent = std::cell::Cell::new(0);
        let ended: Result<(), AwsError> = cloud
            .patiently(|| {
                sent.set(sent.get() + 1);
                let end = match (sent.get(), first) {
                    (1, "throttled") => Err(AwsError::Throttled("t".to_owned())),
                    (_, "lost") => Err(AwsError::Lost("l".to_owned())),
                    (_, "refused") => Err(AwsError::Refused { code: "X".to_owned(), text: "x".to_owned() }),
                    _ => Ok(()),
                };
                std::future::ready(end)
            })
            .await;
        assert_eq!((sent.get(), ended.is_ok()), (wanted, first == "throttled"), "{first}");
    }
}

#[tokio::test]
async fn whether_anything_was_sent_is_read_from_a_real_connection() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = with_keys(port).await;
    assert!(matches!(&error, AwsError::Unreachable(text) if text.contains("nothing was sent")), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().read(&mut [0; 4096]);
        }
    });
    let error = with_keys(port).await;
    assert!(matches!(&error, AwsError::Lost(text) if text.contains("nobody knows")), "{error}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot <xml>");
        }
    });
    let error = with_keys(port).await;
    assert!(matches!(&error, AwsError::Lost(text) if text.contains("cannot be read")), "{error}");
}

async fn with_keys(port: u16) -> AwsError {
    let cloud = inventory(port).clouds["here"].clone();
    let keys = aws_sdk_sts::config::Credentials::new("AKID", "secret", None, None, "test");
    let reads = super::loader(&cloud, super::http_client(true)).credentials_provider(keys).load().await;
    super::Cloud::of_config("here", reads).identified(&cloud).await.err().unwrap()
}
