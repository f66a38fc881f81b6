//! What a command prints, kept within bounds: its head and tail as text, its size and hash in full. It never keeps more
//! in memory than the cap, however much is printed.

use std::collections::VecDeque;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::outcome::Stream;

/// How many bytes of the head are kept, and as many of the tail.
pub(crate) const HALF: usize = 32 * 1024;

/// One stream of a command, as it is read.
#[derive(Default)]
pub(crate) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    bytes: u64,
    hash: Sha256,
}

impl Capture {
    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        let (head, rest) = piece.split_at(piece.len().min(HALF - self.head.len()));
        self.head.extend_from_slice(head);
        let rest = &rest[rest.len().saturating_sub(HALF)..];
        let surplus = (self.tail.len() + rest.len()).saturating_sub(HALF);
        self.tail.drain(..surplus);
        self.tail.extend(rest);
    }

    /// What is kept of the whole.
    pub(crate) fn finish(self) -> Stream {
        let sha256 = hexadecimal(&self.hash.finalize());
        let tail: Vec<u8> = self.tail.into_iter().collect();
        stream_of(&self.head, &tail, self.bytes, sha256)
    }
}

/// A stream from its head and tail, where those are what is left of `bytes`.
pub(crate) fn stream_of(head: &[u8], tail: &[u8], bytes: u64, sha256: String) -> Stream {
    if bytes <= (head.len() + tail.len()) as u64 {
        let text = String::from_utf8_lossy(&[head, tail].concat()).into_owned();
        return Stream { text, bytes, sha256, truncated: false };
    }
    // A character that the cut went through is left out whole, so that valid text stays valid.
    let head = match std::str::from_utf8(head) {
        Err(error) if error.error_len().is_none() => &head[..error.valid_up_to()],
        _ => head,
    };
    let inside = tail.iter().take(3).take_while(|byte| **byte & 0b1100_0000 == 0b1000_0000).count();
    let tail = &tail[inside..];
    let left_out = bytes.saturating_sub((head.len() + tail.len()) as u64);
    let text = format!(
        "{}\n[… {left_out} bytes left out …]\n{}",
        String::from_utf8_lossy(head),
        String::from_utf8_lossy(tail)
    );
    Stream { text, bytes, sha256, truncated: true }
}

/// Bytes in hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Bytes in base64, as everybody writes it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(pieces: &[&[u8]]) -> Stream {
        let mut capture = Capture::default();
        for piece in pieces {
            capture.push(piece);
        }
        capture.finish()
    }

    #[test]
    fn a_short_stream_is_kept_whole() {
        let stream = capture(&[b"ab", b"c"]);
        assert_eq!((stream.text.as_str(), stream.bytes, stream.truncated), ("abc", 3, false));
        assert_eq!(stream.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn up_to_the_cap_nothing_is_left_out() {
        let stream = capture(&[&[b'x'; HALF], &[b'y'; HALF]]);
        assert!(!stream.truncated);
        assert_eq!(stream.text.len(), 2 * HALF);
    }

    #[test]
    fn a_long_stream_keeps_head_and_tail_and_says_what_is_missing() {
        let text: String = "ä".repeat(100_000);
        let stream = capture(&text.as_bytes().chunks(777).collect::<Vec<_>>());
        assert!(stream.truncated);
        assert_eq!(stream.bytes, 200_000);
        assert!(stream.text.len() < 2 * HALF + 100, "{}", stream.text.len());
        assert!(!stream.text.contains('\u{fffd}'), "the cut went through a character");
        assert!(stream.text.contains("bytes left out"));
        assert_eq!(stream.sha256, capture(&[text.as_bytes()]).sha256);
    }

    #[test]
    fn base64_is_what_everybody_writes() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
