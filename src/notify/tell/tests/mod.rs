//! Each service against a receiver on this machine: what it is sent, whether its signature is right, and what its answers mean.

mod incidents;
mod post;
mod services;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::journal::{Journal as _, MemoryJournal};
use crate::notify::moment::What;
use crate::notify::sign;
use crate::run::{Holder, Question, QuestionKind, Task, Verdict, samples};

/// A request as it came.
#[derive(Debug, Clone)]
struct Request {
    path: String,
    headers: String,
    body: String,
}

impl Request {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A receiver on this machine that answers as it is told, the last answer for ever.
struct Web {
    address: String,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl Web {
    async fn answers(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
        let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let answer = answers.get(number).or(answers.last()).cloned().unwrap();
                let mut reader = BufReader::new(&mut stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if reader.read_line(&mut head).await.unwrap() == 0 {
                        break;
                    }
                }
                let length =
                    |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
                let mut body = vec![0; head.lines().find_map(length).unwrap_or(0)];
                reader.read_exact(&mut body).await.unwrap();
                let (first, headers) = head.split_once("\r\n").unwrap();
                let path = first.split(' ').nth(1).unwrap().to_owned();
                let body = String::from_utf8(body).unwrap();
                seen.lock().unwrap().push(Request { path, headers: headers.to_owned(), body });
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<Request> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// A receiver of the configuration.
fn receiver(text: &str, address: Option<&str>, secrets: &[&str]) -> Receiver {
    let notify = serde_saphyr::from_str(text).unwrap();
    let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
    Receiver { notify, address: address.map(str::to_owned), secrets, mask: Arc::new(str::to_owned) }
}

/// How a run stands that has just begun.
fn state() -> RunState {
    let started = samples::started("INC-7");
    let holder = Holder {
        user: "ann".to_owned(),
        host: "runner".to_owned(),
        boot: "boot".to_owned(),
        namespace: String::new(),
        pid: 1,
        started: 7,
        serves: false,
    };
    let run = "20261123-020649-f34z".parse().unwrap();
    let (_, records) = MemoryJournal::new().begin(&run, started, &holder, "ann", AT).unwrap();
    RunState::replay(&run, &records).unwrap()
}

const AT: Time = Time(1_700_000_000_000);

fn moment(seq: u64, what: What) -> Moment {
    Moment { seq, time: Time(AT.0 + i64::try_from(seq).unwrap() * 1000), actor: "ann".to_owned(), what }
}

fn failed(seq: u64, message: &str) -> Moment {
    let what =
        What::Failed { task: format!("restart@web{seq}"), unknown: false, undo: false, message: message.to_owned() };
    moment(seq, what)
}

fn asks(seq: u64) -> Moment {
    let what = What::Asks {
        task: "promote".to_owned(),
        kind: QuestionKind::StepFailed,
        message: "it did not come up".to_owned(),
        deadline: None,
    };
    moment(seq, what)
}

fn ended(seq: u64, verdict: Verdict) -> Moment {
    moment(seq, What::Ended { verdict, summary: "traffic flows".to_owned(), seconds: 12.0 })
}

/// Tells moments as one message.
async fn tell(
    teller: &dyn Teller,
    state: &RunState,
    moments: &[Moment],
    message: Option<&str>,
) -> Result<Option<String>, Refusal> {
    let new: Vec<Item> = moments
        .iter()
        .map(|moment| Item {
            seq: moment.seq,
            moment: Some(moment.clone()),
            record: json!({ "seq": moment.seq, "time": "2023-11-14T22:13:20.000Z", "detail": "x".repeat(10) }),
            spans: Vec::new(),
        })
        .collect();
    let id = format!("{}:{}", state.run, moments.last().unwrap().seq);
    teller.tell(&Story { about: About::Run(state), new: &new, moments, id: &id, message, at: AT }).await
}
