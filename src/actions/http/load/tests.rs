//! Loads against small servers of our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::outcome::Outcome;

/// Answers the n-th request after what a function says of n; counts them, and the most at the same time.
async fn server(
    answer: impl Fn(usize) -> (Duration, &'static str) + Send + Sync + 'static,
) -> (String, Arc<[AtomicUsize; 3]>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let counts: Arc<[AtomicUsize; 3]> = Arc::default();
    let (seen, answer) = (Arc::clone(&counts), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
            tokio::spawn(async move {
                let number = seen[0].fetch_add(1, Ordering::SeqCst);
                let now = seen[1].fetch_add(1, Ordering::SeqCst) + 1;
                seen[2].fetch_max(now, Ordering::SeqCst);
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await;
                let (pause, status) = answer(number);
                tokio::time::sleep(pause).await;
                let text = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
                let _ = stream.write_all(text.as_bytes()).await;
                seen[1].fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (url, counts)
}

fn call(arguments: Value) -> Call {
    Call {
        attempt: "test-1".to_owned(),
        key: "k".to_owned(),
        arguments,
        before: Value::Null,
        outputs: Value::Null,
        timeout: Duration::from_secs(20),
        kill_on_timeout: false,
        effect: Effect::Read,
        age: None,
    }
}

/// Loads take turns in a process, so the tests of this file do as well.
static ONE_TEST: Semaphore = Semaphore::const_new(1);

async fn run(arguments: Value) -> Report {
    let _turn = ONE_TEST.acquire().await.unwrap();
    let context = Context { inventory: Arc::default(), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) };
    Load.run(&context, &call(arguments)).await
}

#[tokio::test]
async fn a_quick_service_meets_its_level() {
    let (url, counts) = server(|_| (Duration::ZERO, "200 OK")).await;
    let report = run(json!({ "url": url, "rate": 100, "duration": 0.5, "p99": 1.0 })).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert_eq!((report.outputs["sent"].as_u64(), report.outputs["succeeded"].as_u64()), (Some(50), Some(50)));
    assert_eq!(counts[0].load(Ordering::SeqCst), 50);
}

#[tokio::test]
async fn a_service_that_stands_still_is_seen_by_all_who_would_have_come() {
    // All who come in the first 0.4 s are answered at its end: a closed loop would have sent one, and called one slow.
    let first = std::sync::OnceLock::new();
    let still = move || {
        let began: &std::time::Instant = first.get_or_init(std::time::Instant::now);
        Duration::from_millis(400).saturating_sub(began.elapsed())
    };
    let (url, _) = server(move |_| (still(), "200 OK")).await;
    let report =
        run(json!({ "url": url, "rate": 50, "duration": 0.8, "concurrency": 1, "p50": 0.6, "p99": 2.0 })).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert!(report.outputs["p95"].as_f64().unwrap() > 0.25, "{}", report.outputs);
}

#[tokio::test]
async fn it_stops_when_the_level_is_lost() {
    let (url, counts) = server(|number| (Duration::ZERO, if number < 5 { "200 OK" } else { "503 No" })).await;
    let report = run(json!({ "url": url, "rate": 50, "duration": 10, "success": 0.99 })).await;
    assert_eq!(report.outcome, Outcome::Failed);
    assert!(report.message.contains("answered 503") && report.message.contains("stopped after"), "{}", report.message);
    assert_eq!((&report.outputs["stopped_early"], &report.outputs["met"]), (&json!(true), &json!(false)));
    let asked = counts[0].load(Ordering::SeqCst);
    assert!((10..40).contains(&asked), "{asked} of 500 were sent: 6 that failed are enough");
}

#[tokio::test]
async fn no_more_than_agreed_are_under_way_and_the_rest_waits() {
    let (url, counts) = server(|_| (Duration::from_millis(100), "200 OK")).await;
    let report = run(json!({ "url": url, "rate": 100, "duration": 0.1, "concurrency": 3 })).await;
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert_eq!(counts[2].load(Ordering::SeqCst), 3);
    assert!(report.outputs["p95"].as_f64().unwrap() > 0.2, "the wait for room is part of the time: {}", report.outputs);
    let arguments =
        json!({ "url": url, "rate": 100, "duration": 0.3, "concurrency": 1, "success": 0, "request_timeout": 0.25 });
    let outputs = run(arguments).await.outputs;
    assert!(outputs["succeeded"].as_u64().unwrap() < 10, "who waits too long has failed: {outputs}");
}

#[test]
fn the_ceilings_hold() {
    let good = json!({ "url": "http://shop/", "rate": 200, "duration": 120, "concurrency": 64 });
    assert_eq!(order(&good).unwrap().count, 24_000);
    for (name, value) in [
        ("rate", json!(201)),
        ("rate", json!(0)),
        ("rate", json!(-1)),
        ("duration", json!(121)),
        ("concurrency", json!(65)),
        ("concurrency", json!(0)),
        ("request_timeout", json!(61)),
        ("method", json!("POST")),
        ("url", json!("http://169.254.169.254/latest")),
        ("url", json!("http://[fe80::1]/")),
        ("url", json!("http://[::ffff:169.254.169.254]/")),
        ("url", json!("http://2852039166/")),
        ("url", json!("http://0.0.0.0/")),
        ("url", json!("http://255.255.255.255/")),
        ("success", json!(99)),
    ] {
        let mut bad = good.clone();
        bad[name] = value.clone();
        assert!(order(&bad).is_err(), "{name} {value}");
    }
}

#[tokio::test]
async fn a_dry_run_sends_one_request() {
    let (url, counts) = server(|_| (Duration::ZERO, "200 OK")).await;
    let context = Context { inventory: Arc::default(), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) };
    let seen = Load.plan(&context, &json!({ "url": url, "rate": 100, "duration": 60 })).await.unwrap();
    assert_eq!(seen.facts["status"], 200);
    assert_eq!(counts[0].load(Ordering::SeqCst), 1);
    assert!(seen.notes.iter().any(|note| note.contains("6000 requests")), "{:?}", seen.notes);
}

#[tokio::test]
async fn a_service_that_comes_back_is_not_fallen_upon() {
    // All stand still for 1.2 s, and are answered at once from then on: 240 have come by then.
    let first = std::sync::OnceLock::new();
    let still = move || {
        let began: &std::time::Instant = first.get_or_init(std::time::Instant::now);
        Duration::from_millis(1200).saturating_sub(began.elapsed())
    };
    let arrived = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&arrived);
    let (url, _) = server(move |_| {
        seen.lock().unwrap().push(Instant::now());
        (still(), "200 OK")
    })
    .await;
    run(json!({ "url": url, "rate": 200, "duration": 2, "concurrency": 8, "success": 0 })).await;
    let arrived = arrived.lock().unwrap().clone();
    let most = arrived
        .iter()
        .map(|from| arrived.iter().filter(|at| (*from..*from + Duration::from_millis(900)).contains(at)).count())
        .max();
    // 250 leave in a second, and some are late; without the pace they would be over 400.
    assert!(arrived.len() > 350 && most.unwrap() <= 320, "{most:?} of {} within 0.9 s", arrived.len());
}

#[tokio::test]
async fn the_next_one_waits_for_its_turn() {
    let (url, counts) = server(|_| (Duration::ZERO, "200 OK")).await;
    let _test = ONE_TEST.acquire().await.unwrap();
    let turn = TURN.acquire().await.unwrap();
    let context = Context { inventory: Arc::default(), spool: std::env::temp_dir(), output: Arc::new(|_, _| {}) };
    let arguments = json!({ "url": url, "rate": 20, "duration": 0.1, "request_timeout": 0.5 });
    let short = Call { timeout: Duration::from_millis(700), ..call(arguments.clone()) };
    let refused = Load.run(&context, &short).await;
    assert_eq!(refused.outcome, Outcome::NoEffect);
    assert!(refused.message.contains("another load.check"), "{}", refused.message);
    assert_eq!(counts[0].load(Ordering::SeqCst), 0);
    let call = call(arguments);
    let (report, ()) = tokio::join!(Load.run(&context, &call), async move { drop(turn) });
    assert_eq!(report.outcome, Outcome::Done, "{}", report.message);
    assert!(report.message.contains(&url), "which port, too: {}", report.message);
}

#[tokio::test]
async fn a_name_that_leads_to_an_address_that_gets_no_load_gets_none() {
    use reqwest::dns::Resolve as _;
    let names = bounds::CLIENT.as_ref().unwrap();
    assert!(names.get("http://localhost:1/").send().await.unwrap_err().is_connect());
    let unspecified = bounds::Held.resolve("0.0.0.0".parse().unwrap()).await;
    assert!(unspecified.err().unwrap().to_string().contains("not put under load"));
}
