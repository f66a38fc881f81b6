//! The line by which a shell says, in both streams, that a program has ended and that it waits for the next one. The streams
//! come side by side: what one of them says of the end is nothing of the other's. It is taken out of what was printed.

/// What was read of both streams.
pub(super) struct Ends {
    line: Vec<u8>,
    streams: [Stream; 2],
}

#[derive(Default)]
struct Stream {
    /// The latest bytes, where the line may have begun with them.
    held: Vec<u8>,
    is_seen: bool,
}

impl Ends {
    /// Waits for this line.
    pub(super) fn of(line: &str) -> Self {
        Self { line: line.as_bytes().to_vec(), streams: <[Stream; 2]>::default() }
    }

    /// Takes the next piece of standard error or of standard output, and passes on what is not the line.
    pub(super) fn push(&mut self, is_stderr: bool, piece: &[u8], sink: &mut dyn FnMut(bool, &[u8])) {
        let [out, err] = &mut self.streams;
        let stream = if is_stderr { err } else { out };
        if stream.held.is_empty() {
            // As a rule nothing of it is held, and nothing copied.
            let (own, held) = piece.split_at(piece.len() - latest(piece, &self.line));
            stream.held.extend_from_slice(held);
            pass_on(is_stderr, own, sink);
        } else {
            stream.held.extend_from_slice(piece);
            let own = stream.held.len() - latest(&stream.held, &self.line);
            pass_on(is_stderr, stream.held.get(..own).unwrap_or_default(), sink);
            stream.held.drain(..own);
        }
        stream.is_seen = stream.held == self.line;
    }

    /// Whether both streams have ended with the line.
    pub(super) fn both_seen(&self) -> bool {
        self.streams.iter().all(|stream| stream.is_seen)
    }

    /// Passes on what looked like a beginning of the line and was none, as nothing comes any more.
    pub(super) fn finish(self, sink: &mut dyn FnMut(bool, &[u8])) {
        for (is_stderr, stream) in [false, true].into_iter().zip(self.streams) {
            if !stream.is_seen {
                pass_on(is_stderr, &stream.held, sink);
            }
        }
    }
}

fn pass_on(is_stderr: bool, piece: &[u8], sink: &mut dyn FnMut(bool, &[u8])) {
    if !piece.is_empty() {
        sink(is_stderr, piece);
    }
}

/// How many of the latest bytes may be the line, or its beginning.
fn latest(bytes: &[u8], line: &[u8]) -> usize {
    (1..=line.len().min(bytes.len()))
        .rev()
        .find(|length| bytes.ends_with(line.get(..*length).unwrap_or_default()))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found_and_taken_out_however_the_streams_are_cut() {
        let (out, err) = (b"amark\nb mark.\n", b"mmark.\n");
        for size in 1..out.len() {
            let mut ends = Ends::of("mark.\n");
            let mut printed = [Vec::new(), Vec::new()];
            let mut sink = |is_stderr: bool, piece: &[u8]| printed[usize::from(is_stderr)].extend_from_slice(piece);
            for piece in out.chunks(size) {
                assert!(!ends.both_seen());
                ends.push(false, piece, &mut sink);
            }
            for piece in err.chunks(size) {
                assert!(!ends.both_seen(), "one stream says nothing of the other");
                ends.push(true, piece, &mut sink);
            }
            assert!(ends.both_seen(), "{size}");
            ends.finish(&mut sink);
            assert_eq!(printed, [b"amark\nb ".to_vec(), b"m".to_vec()], "{size}");
        }
    }

    #[test]
    fn what_only_looked_like_the_line_is_passed_on() {
        let mut ends = Ends::of("mark.\n");
        let mut printed = Vec::new();
        for piece in [&b"mark.\n"[..], b"mark.\n and on, mark"] {
            ends.push(false, piece, &mut |_, piece| printed.extend_from_slice(piece));
            assert!(!ends.both_seen());
        }
        ends.push(true, b"mark.\n", &mut |_, _| panic!("there is nothing"));
        assert!(!ends.both_seen(), "it goes on behind the first");
        ends.finish(&mut |_, piece| printed.extend_from_slice(piece));
        assert_eq!(printed, b"mark.\nmark.\n and on, mark");
    }
}
