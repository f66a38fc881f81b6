//! Slow, huge and endless requests, and many of them: each ends by itself, and nobody else is hurt by it.

use std::time::Instant;

use super::*;

/// How long somebody who does nothing wrong may wait meanwhile.
const SOON: Duration = Duration::from_secs(3);

fn tight() -> Limits {
    Limits {
        head_time: Duration::from_millis(500),
        body_time: Duration::from_millis(500),
        connections_each: 16,
        connections: 32,
        ..quick()
    }
}

#[track_caller]
fn assert_lives(rig: &Rig) {
    let begun = Instant::now();
    let reply = rig.ask("GET", "/healthz", None, None);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
}

/// How long it takes until the other side has closed, and what it said before.
fn until_closed(stream: &mut TcpStream) -> (Duration, Reply) {
    let begun = Instant::now();
    let mut read = Vec::new();
    let _ = stream.read_to_end(&mut read);
    (begun.elapsed(), Reply::of(&read))
}

#[test]
fn a_head_that_comes_letter_by_letter_is_cut_off() {
    let rig = Rig::with(None, tight());
    let mut slow: Vec<TcpStream> = (0..12).map(|_| rig.connect()).collect();
    let begun = Instant::now();
    let mut letters = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".bytes().chain(std::iter::repeat(b'a'));
    // As long as even one of them takes what is sent, it goes on.
    while slow.iter_mut().any(|stream| stream.write_all(&[letters.next().unwrap_or(b'a')]).is_ok()) {
        assert_lives(&rig);
        assert!(begun.elapsed() < Duration::from_secs(15), "the server waits for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(begun.elapsed() >= Duration::from_millis(500), "that was no slow head: {:?}", begun.elapsed());
}

#[test]
fn a_huge_head_is_refused() {
    let rig = Rig::with(None, tight());
    let huge = "a".repeat(200_000);
    let reply = rig.say(&format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Huge: {huge}\r\n\r\n"));
    assert!([0, 431].contains(&reply.status), "{}", reply.status);
    let many = "X-Many: 1\r\n".repeat(500);
    let reply = rig.say(&format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"));
    assert!([0, 431].contains(&reply.status), "{}", reply.status);
    assert_lives(&rig);
}

fn head_of_a_post(token: &str, more: &str) -> String {
    format!(
        "POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\n{more}\r\n\r\n"
    )
}

#[test]
fn a_huge_body_is_refused_before_it_is_read() {
    let rig = Rig::with(None, tight());
    let mut stream = rig.connect();
    stream.write_all(head_of_a_post(&rig.admin(), "Content-Length: 99999999999").as_bytes()).unwrap();
    let (took, reply) = until_closed(&mut stream);
    reply.problem(413);
    assert!(took < SOON, "{took:?}");
}

#[test]
fn an_endless_body_is_refused_where_it_is_too_large() {
    let rig = Rig::with(None, Limits { body_time: Duration::from_secs(20), ..tight() });
    let mut stream = rig.connect();
    stream.write_all(head_of_a_post(&rig.admin(), "Transfer-Encoding: chunked").as_bytes()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let reading = std::thread::spawn(move || until_closed(&mut reader));
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let begun = Instant::now();
    let mut sent = 0;
    while stream.write_all(chunk.as_bytes()).is_ok() {
        sent += 0x10000;
        assert!(begun.elapsed() < Duration::from_secs(15), "the server reads for ever: {sent} bytes");
    }
    assert_lives(&rig);
    // Whoever still writes may see the connection end before the answer.
    let (_, reply) = reading.join().unwrap();
    assert!([0, 413].contains(&reply.status), "{reply:?}");
    assert!(rig.runner.asked.lock().unwrap().is_empty());
}

#[test]
fn a_body_that_never_comes_is_waited_for_only_so_long() {
    let rig = Rig::with(None, tight());
    let mut stream = rig.connect();
    stream.write_all(head_of_a_post(&rig.admin(), "Content-Length: 100").as_bytes()).unwrap();
    let (took, reply) = until_closed(&mut stream);
    reply.problem(408);
    assert!(took >= Duration::from_millis(500) && took < SOON, "{took:?}");
}

#[test]
fn a_thousand_connections_on_which_nothing_is_asked_keep_nobody_out() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most.min(8192), most).unwrap();
    let rig = Rig::with(None, Limits { head_time: Duration::from_secs(60), ..tight() });
    let mut idle = Vec::new();
    for number in 0..1000 {
        idle.push(rig.connect());
        if number % 100 == 0 {
            assert_lives(&rig);
        }
    }
    assert_lives(&rig);
    let token = rig.admin();
    let metrics = rig.get("/metrics", &token).body;
    let open = metrics.lines().find_map(|line| line.strip_prefix("playbook_http_connections_open ")).unwrap();
    assert!(open.parse::<usize>().unwrap() <= 16, "{open}");
}

#[test]
fn a_connection_with_a_request_under_way_is_not_closed_for_others() {
    let rig = Rig::with(None, tight());
    let token = rig.admin();
    *rig.runner.takes.lock().unwrap() = Duration::from_millis(700);
    let mut busy = rig.connect();
    let body = json!({ "playbook": "db-failover" }).to_string();
    let head = head_of_a_post(&token, &format!("Content-Length: {}\r\nConnection: close", body.len()));
    busy.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let begun = Instant::now();
    while rig.runner.asked.lock().unwrap().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never came");
        std::thread::yield_now();
    }
    let _idle: Vec<TcpStream> = (0..60).map(|_| rig.connect()).collect();
    assert_eq!(until_closed(&mut busy).1.status, 201);
}

#[test]
fn whoever_asks_too_often_waits_and_nobody_else_does() {
    let rate = Rate { per_second: 0.5, burst: 5.0 };
    let rig = Rig::with(None, Limits { callers: rate, ..quick() });
    let (often, seldom) = (rig.admin(), rig.token("other", &[Role::Viewer], 600.0));
    let statuses: Vec<u16> = (0..8).map(|_| rig.get("/v1/runs", &often).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 3, "{statuses:?}");
    let refused = rig.get("/v1/runs", &often);
    refused.problem(429);
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{refused:?}");
    assert_eq!(rig.get("/v1/runs", &seldom).status, 200);
}

#[test]
fn whoever_tries_tokens_waits_and_who_has_one_does_not() {
    let strangers = Rate { per_second: 0.5, burst: 5.0 };
    let rig = Rig::with(None, Limits { strangers, ..quick() });
    let token = rig.admin();
    let statuses: Vec<u16> = (0..9).map(|_| rig.get("/v1/runs", Token::new().unwrap().show()).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 4, "{statuses:?}");
    assert_eq!(rig.get("/v1/runs", &token).status, 200, "from the same address");
}

#[test]
fn what_takes_long_is_told_and_goes_on() {
    let rig = Rig::with(None, Limits { answer_time: Duration::from_millis(300), ..quick() });
    let token = rig.admin();
    *rig.runner.takes.lock().unwrap() = Duration::from_millis(900);
    let body = json!({ "playbook": "db-failover", "idempotency_key": "k" });
    let reply = rig.post("/v1/runs", &token, &body);
    assert!(reply.problem(504)["next"].to_string().contains("Idempotency-Key"), "{reply:?}");
    let begun = Instant::now();
    while rig.runner.begun() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "it was given up");
        std::thread::yield_now();
    }
    let again = || rig.post("/v1/runs", &token, &body);
    while again().status == 409 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the key is in hand for ever");
    }
    assert_eq!(again().status, 200);
    assert_eq!(rig.runner.begun(), 1);
}

#[test]
fn as_many_as_it_takes_are_worked_on_and_the_rest_is_told() {
    let rig = Rig::with(None, Limits { askers: 2, ..quick() });
    let token = rig.admin();
    *rig.runner.takes.lock().unwrap() = Duration::from_secs(4);
    let body = json!({ "playbook": "db-failover" });
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..5).map(|_| scope.spawn(|| rig.post("/v1/runs", &token, &body).status)).collect();
        let begun = Instant::now();
        while rig.runner.asked.lock().unwrap().len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(10), "they never came");
            std::thread::yield_now();
        }
        let begun = Instant::now();
        assert_eq!(rig.get("/v1/runs", &token).status, 200);
        assert!(begun.elapsed() < SOON, "who only looks waits for nobody: {:?}", begun.elapsed());
        let mut statuses: Vec<u16> = all.into_iter().map(|thread| thread.join().unwrap()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 201, 503, 503, 503]);
    });
}
