//! A proxy on the way to a target, which passes everything on until it is to lose a reply: then the request still goes
//! through, the target does its work and answers, and the answer is thrown away with the connection.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Which reply is lost: that to the request with this text, or to one that follows it on the same connection.
#[derive(Debug, Clone, Copy)]
pub struct Lose {
    pub text: &'static str,
    /// How many requests later.
    pub later: usize,
}

/// The proxy; its threads end with the test's process.
pub struct Proxy {
    pub address: SocketAddr,
    lost: Arc<AtomicUsize>,
    #[cfg_attr(not(feature = "ssh"), allow(dead_code))]
    open: Arc<Mutex<Vec<TcpStream>>>,
}

/// One connection through it.
struct Way {
    client: TcpStream,
    target: TcpStream,
    loses: Arc<AtomicBool>,
    lost: Arc<AtomicUsize>,
}

impl Proxy {
    /// In front of a port of this machine. It loses one reply, the first that fits, and none after it.
    pub fn start(port: u16, lose: Option<Lose>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (lost, open) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let proxy = Self { address, lost: Arc::clone(&lost), open: Arc::clone(&open) };
        let armed = Arc::new(AtomicBool::new(true));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let Ok(target) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                open.lock().unwrap().extend([client.try_clone().unwrap(), target.try_clone().unwrap()]);
                let loses = Arc::<AtomicBool>::default();
                let way = |client, target| Way { client, target, loses: Arc::clone(&loses), lost: Arc::clone(&lost) };
                let back = way(client.try_clone().unwrap(), target.try_clone().unwrap());
                let (forth, armed) = (way(client, target), Arc::clone(&armed));
                std::thread::spawn(move || forth.requests(lose, &armed));
                std::thread::spawn(move || back.replies());
            }
        });
        proxy
    }

    /// How many replies it has lost.
    pub fn lost(&self) -> usize {
        self.lost.load(Ordering::SeqCst)
    }

    /// Cuts every connection through it, as a dying network would.
    #[cfg(feature = "ssh")]
    pub fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Way {
    fn requests(mut self, lose: Option<Lose>, armed: &AtomicBool) {
        let mut buffer = vec![0; 64 * 1024];
        // How many more requests until the one whose reply is lost; unknown before the text has come.
        let mut left = None;
        while let Ok(length) = self.client.read(&mut buffer) {
            if length == 0 {
                break;
            }
            let piece = &buffer[..length];
            if let Some(lose) = lose {
                let text = lose.text.as_bytes();
                left = match left {
                    Some(left) => Some(left - 1),
                    None => piece.windows(text.len()).any(|window| window == text).then_some(lose.later),
                };
                if left == Some(0) {
                    // Before it is sent on, so that no reply slips through; only once for all connections.
                    self.loses.store(armed.swap(false, Ordering::SeqCst), Ordering::SeqCst);
                    left = None;
                }
            }
            if self.target.write_all(piece).is_err() {
                break;
            }
        }
        let _ = self.target.shutdown(Shutdown::Write);
    }

    fn replies(mut self) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = self.target.read(&mut buffer) {
            if length > 0 && self.loses.load(Ordering::SeqCst) {
                self.lost.fetch_add(1, Ordering::SeqCst);
                break;
            }
            if length == 0 || self.client.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.target.shutdown(Shutdown::Both);
    }
}
