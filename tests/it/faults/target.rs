//! A target over HTTP that counts what reaches it. It serves one connection after the other, in the order in which they
//! came: whoever asks sees everything that was sent before.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The keys of the requests for each name, in order.
type Seen = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// The target: `POST /NAME` has an effect, `GET /NAME` says how often it had one.
pub struct Target {
    pub address: SocketAddr,
    seen: Seen,
}

impl Target {
    /// Starts it; its thread ends with the test's process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
        let inside = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serve(stream.unwrap(), &inside);
            }
        });
        Self { address, seen }
    }

    /// Everything that was sent to a name so far: the key of each request.
    pub fn requests(&self, name: &str) -> Vec<String> {
        // Asked over the same door, so that what was sent before is counted before.
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET /{name} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        self.seen.lock().unwrap().get(name).cloned().unwrap_or_default()
    }

    /// How often it had an effect where the target removes doubles: the number of different keys.
    pub fn effects(&self, name: &str) -> usize {
        self.requests(name).into_iter().collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// One request. One that does not arrive whole has no effect.
fn serve(mut stream: TcpStream, seen: &Seen) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => text.extend_from_slice(&buffer[..length]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut words = text.split_whitespace();
    let (method, name) = (words.next().unwrap(), words.next().unwrap().trim_start_matches('/').to_owned());
    let key = text.lines().find_map(|line| {
        let (header, value) = line.split_once(':')?;
        header.eq_ignore_ascii_case("idempotency-key").then(|| value.trim().to_owned())
    });
    let mut seen = seen.lock().unwrap();
    let requests = seen.entry(name).or_default();
    if method == "POST" {
        let key = key.unwrap_or_else(|| format!("no key {}", requests.len()));
        requests.push(key);
    }
    let body = requests.len().to_string();
    // Whoever was killed meanwhile does not read the answer.
    let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
}
