//! What the spool's program on a host answers, read as it comes.

use sha2::{Digest as _, Sha256};

use crate::actions::command::output::{hexadecimal, stream_of};
use crate::actions::command::{Ended, Recalled};
use crate::outcome::{CommandOutput, Stream};

/// The longest line that the program writes.
const LONGEST: usize = 1024;

/// Reads an answer piece by piece.
pub(super) struct Answer {
    marker: String,
    buffer: Vec<u8>,
    begun: bool,
    /// How many bytes of the output and of the errors were passed on while the command ran.
    passed: [usize; 2],
}

impl Answer {
    /// An answer that begins after this line: a login shell may print things of its own before.
    pub(super) fn after(marker: &str) -> Self {
        Self { marker: format!("{marker}\n"), buffer: Vec::new(), begun: false, passed: [0; 2] }
    }

    /// Takes the next piece and passes on what the command printed meanwhile.
    pub(super) fn push(&mut self, piece: &[u8], live: &mut dyn FnMut(bool, &[u8])) {
        self.buffer.extend_from_slice(piece);
        if !self.begun && !self.skip_to_marker() {
            return;
        }
        while let Some((is_stderr, from, to)) = self.live_frame() {
            live(is_stderr, self.buffer.get(from..to).unwrap_or_default());
            if let Some(passed) = self.passed.get_mut(usize::from(is_stderr)) {
                *passed += to - from;
            }
            self.buffer.drain(..to);
        }
    }

    fn skip_to_marker(&mut self) -> bool {
        let marker = self.marker.as_bytes();
        let Some(at) = self.buffer.windows(marker.len()).position(|window| window == marker) else {
            // What cannot hold the marker any more need not be kept.
            let surplus = self.buffer.len().saturating_sub(marker.len());
            self.buffer.drain(..surplus);
            return false;
        };
        self.buffer.drain(..at + marker.len());
        self.begun = true;
        true
    }

    /// A whole frame of live output at the beginning: where its bytes are.
    fn live_frame(&self) -> Option<(bool, usize, usize)> {
        let line = self.first_line()?;
        let (letter, length) = line.split_once(' ')?;
        let is_stderr = match letter {
            "o" => false,
            "e" => true,
            _ => return None,
        };
        let from = line.len() + 1;
        let to = from.checked_add(length.parse().ok()?)?;
        (self.buffer.len() >= to).then_some((is_stderr, from, to))
    }

    fn first_line(&self) -> Option<&str> {
        let end = self.buffer.iter().take(LONGEST).position(|byte| *byte == b'\n')?;
        std::str::from_utf8(self.buffer.get(..end)?).ok()
    }

    /// What the whole answer says; nothing where it broke off. What was not passed on while the command ran is now: most
    /// commands have ended before anybody asked.
    pub(super) fn finish(self, host: &str, live: &mut dyn FnMut(bool, &[u8])) -> Option<Recalled> {
        if !self.begun {
            return None;
        }
        let line = self.first_line()?.to_owned();
        let rest = self.buffer.get(line.len() + 1..)?;
        if let Some(status) = line.strip_prefix("= ") {
            let (ended, heads) = status_of(status, rest)?;
            for (is_stderr, (head, passed)) in [false, true].into_iter().zip(heads.into_iter().zip(self.passed)) {
                if let Some(rest) = head.get(passed..).filter(|rest| !rest.is_empty()) {
                    live(is_stderr, rest);
                }
            }
            return Some(Recalled::Ended(ended));
        }
        let said = String::from_utf8_lossy(rest).trim().to_owned();
        let printed = if said.is_empty() { String::new() } else { format!("; it last printed: {said}") };
        Some(match line.as_str() {
            "! never" => Recalled::NeverStarted(format!("on {host}: {said}")),
            "! running" => Recalled::StillRunning(format!("it still runs on {host}{printed}")),
            "! since" => Recalled::Lost(format!(
                "{host} was started only after the command was sent to it: whether that ran is not known, as what its \
                 recorder wrote down may have gone with the power"
            )),
            "! rebooted" => Recalled::Lost(format!("{host} was rebooted while the command ran{printed}")),
            "! killed" => Recalled::Lost(format!("its recorder on {host} was killed while the command ran{printed}")),
            "! refused" => Recalled::Lost(format!("{REFUSED}on {host}: {said}")),
            _ => return None,
        })
    }
}

/// How an answer begins by which a host says that it has no place for a recorder.
pub(super) const REFUSED: &str = "the recorder has no place ";

/// How a command ended, and the beginnings of what it printed.
fn status_of<'a>(line: &str, rest: &'a [u8]) -> Option<(Ended, [&'a [u8]; 2])> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [code, timed_out, out, out_hash, out_head, out_tail, err, err_hash, err_head, err_tail] = fields[..] else {
        return None;
    };
    let (out_head, out_tail) = (out_head.parse().ok()?, out_tail.parse().ok()?);
    let (err_head, err_tail) = (err_head.parse().ok()?, err_tail.parse().ok()?);
    let (stdout, out_head, rest) = stream(rest, out.parse().ok()?, out_hash, out_head, out_tail)?;
    let (stderr, err_head, _) = stream(rest, err.parse().ok()?, err_hash, err_head, err_tail)?;
    let ended = Ended {
        exit_code: Some(code.parse().ok()?),
        signal: None,
        timed_out: timed_out == "1",
        output: CommandOutput { stdout, stderr },
    };
    Some((ended, [out_head, err_head]))
}

type Kept<'a> = (Stream, &'a [u8], &'a [u8]);

/// A stream, its head, and what stands behind it.
fn stream<'a>(rest: &'a [u8], bytes: u64, hash: &str, head: usize, tail: usize) -> Option<Kept<'a>> {
    let (kept, rest) = rest.split_at_checked(head.checked_add(tail)?)?;
    let (head, tail) = kept.split_at_checked(head)?;
    // What came whole is hashed here: on the host that would be one more program.
    let is_whole = tail.is_empty() && u64::try_from(head.len()) == Ok(bytes);
    let hash = match hash {
        "-" if is_whole => hexadecimal(&Sha256::digest(head)),
        "-" => String::new(),
        hash => hash.to_owned(),
    };
    Some((stream_of(head, tail, bytes, hash), head, rest))
}

/// Reads a look's standard output: what stands between the marker's line and the last line, which is the marker again
/// and the exit code. Without that line the look's end was not seen, whatever the connection says.
pub(super) struct Marked {
    marker: String,
    held: Vec<u8>,
    begun: bool,
}

impl Marked {
    /// An output that begins after this line.
    pub(super) fn after(marker: &str) -> Self {
        Self { marker: marker.to_owned(), held: Vec::new(), begun: false }
    }

    /// Takes the next piece and gives back what is certainly the look's own.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(piece);
        if !self.begun {
            let line = format!("{}\n", self.marker).into_bytes();
            let Some(at) = self.held.windows(line.len()).position(|window| window == line) else { return Vec::new() };
            self.held.drain(..at + line.len());
            self.begun = true;
        }
        // The last line, or a part of it, may be among the latest bytes: a space, a code and a line end longer.
        let certain = self.held.len().saturating_sub(self.marker.len() + 12);
        self.held.drain(..certain).collect()
    }

    /// The exit code, and the rest of the output before it.
    pub(super) fn finish(self) -> (Option<i32>, Vec<u8>) {
        let marker = self.marker.as_bytes();
        match self.held.windows(marker.len()).rposition(|window| window == marker).filter(|_| self.begun) {
            Some(at) => {
                let (rest, line) = self.held.split_at(at);
                let code = line.get(marker.len()..).and_then(|code| std::str::from_utf8(code).ok());
                (code.and_then(|code| code.trim().parse().ok()), rest.to_vec())
            }
            None => (None, self.held),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"Welcome!\nm1\no 3\na\nbe 2\n!!o 1\n\n= 3 0 4 aa 4 0 2 bb 2 0\na\nb\n!!";

    #[test]
    fn an_answer_is_read_however_it_is_cut() {
        for size in 1..WHOLE.len() {
            let mut answer = Answer::after("m1");
            let (mut out, mut err) = (Vec::new(), Vec::new());
            for piece in WHOLE.chunks(size) {
                answer.push(piece, &mut |is_stderr, piece| if is_stderr { &mut err } else { &mut out }.extend(piece));
            }
            assert_eq!((out.as_slice(), err.as_slice()), (&b"a\nb\n"[..], &b"!!"[..]), "{size}");
            let Some(Recalled::Ended(ended)) = answer.finish("h", &mut |_, _| panic!("twice")) else {
                panic!("{size}")
            };
            assert_eq!((ended.exit_code, ended.output.stdout.text.as_str()), (Some(3), "a\nb\n"));
            assert_eq!((ended.output.stderr.text.as_str(), ended.output.stderr.bytes), ("!!", 2));
        }
    }

    #[test]
    fn a_look_is_what_stands_between_the_marks() {
        let whole = b"Hi\nmark\nno newline at the end, mark\nmark 12\n";
        for size in 1..whole.len() {
            let mut marked = Marked::after("mark");
            let mut out: Vec<u8> = whole.chunks(size).flat_map(|piece| marked.push(piece)).collect();
            let (code, rest) = marked.finish();
            out.extend(rest);
            assert_eq!((code, out.as_slice()), (Some(12), &b"no newline at the end, mark\n"[..]), "{size}");
        }
        let mut marked = Marked::after("mark");
        let out = marked.push(b"mark\nhalf");
        assert_eq!((out, marked.finish()), (Vec::new(), (None, b"half".to_vec())));
    }

    #[test]
    fn an_answer_that_broke_off_says_nothing() {
        for length in 0..WHOLE.len() {
            let mut answer = Answer::after("m1");
            answer.push(&WHOLE[..length], &mut |_, _| {});
            assert_eq!(answer.finish("h", &mut |_, _| {}), None, "{length}");
        }
    }

    #[test]
    fn what_nobody_heard_while_it_ran_is_passed_on_at_the_end_once() {
        let mut answer = Answer::after("m1");
        let mut heard = Vec::new();
        answer.push(b"m1\no 2\nab= 0 0 5 - 5 0 2 - 2 0\nabcde!!", &mut |_, piece| heard.extend_from_slice(piece));
        let Some(Recalled::Ended(ended)) = answer.finish("h", &mut |_, piece| heard.extend_from_slice(piece)) else {
            panic!("it has ended")
        };
        assert_eq!(heard, b"abcde!!");
        // `printf abcde | sha256sum`.
        assert_eq!(ended.output.stdout.sha256, "36bbe50ed96841d10443bcb670d6554f0a34b761be67ec9c4a8ad2c0c44ca42c");
    }
}
