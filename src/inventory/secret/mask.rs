//! Takes secrets out of texts, and out of output that comes in pieces. Every place that is covered by any form of any secret
//! is taken out whole, however the places overlap; nothing of what is left tells which secret stood there.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{Secret, forms};

/// What stands in the place of a secret.
pub const MASK: &str = "***";
/// How much a stream holds back at most, beside what could be the beginning of a secret.
const HELD: usize = 64 * 1024;
/// From how many letters on the beginning of a secret, where a text was cut off, is taken out.
const CUT: usize = 4;

/// Finds a set of secrets in all their forms.
#[derive(Clone, Default)]
pub struct Masker {
    found: Option<Arc<Found>>,
    /// It could not be made: then nothing is shown, as nobody can tell what is in it.
    shut: bool,
}

struct Found {
    finder: AhoCorasick,
    /// All forms, in order, for looking up beginnings.
    forms: Vec<Vec<u8>>,
    longest: usize,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Masker(…)")
    }
}

impl Masker {
    /// One for these secrets.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s Secret>) -> Self {
        let forms: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(|secret| forms::of(secret.expose())).collect();
        let forms: Vec<Vec<u8>> = forms.into_iter().collect();
        let Some(longest) = forms.iter().map(Vec::len).max() else { return Self::default() };
        // It is made anew for every secret that comes to be known, so it has to be quick to make.
        let finder = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .match_kind(MatchKind::Standard)
            .build(&forms)
            .ok();
        match finder {
            Some(finder) => Self { found: Some(Arc::new(Found { finder, forms, longest })), shut: false },
            None => Self { found: None, shut: true },
        }
    }

    /// One for a text that may hold a secret, nobody knows where.
    pub fn of_text(text: &str) -> Self {
        Self::of_texts([text])
    }

    /// One for texts that are nobody's secrets but those of whoever asks, and are to be masked in what that one says alone.
    pub fn of_texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let secrets: Vec<Secret> = texts.into_iter().map(|text| Secret(text.to_owned())).collect();
        Self::new(&secrets)
    }

    /// Whether it has nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.found.is_none() && !self.shut
    }

    /// A text without the secrets.
    pub fn text(&self, text: &str) -> String {
        if self.shut {
            return MASK.to_owned();
        }
        let Some(found) = &self.found else { return text.to_owned() };
        let places = found.places(text.as_bytes());
        if places.is_empty() {
            return text.to_owned();
        }
        let mut clean = Vec::with_capacity(text.len());
        put(text.as_bytes(), &places, |piece| clean.extend_from_slice(piece));
        // Every form is whole characters, or ASCII alone.
        String::from_utf8_lossy(&clean).into_owned()
    }

    /// A text that was cut off at its end, where the beginning of a secret may stand.
    pub fn cut_off(&self, text: &str) -> String {
        let clean = self.text(text);
        let Some(found) = &self.found else { return clean };
        let open = found.open_end(clean.as_bytes());
        match clean.get(..clean.len() - open) {
            Some(whole) if open >= CUT => format!("{whole}{MASK}"),
            _ => clean,
        }
    }

    /// A text whose beginning was cut off, where the end of a secret may stand.
    pub fn cut_on(&self, text: &str) -> String {
        let clean = self.text(text);
        let Some(found) = &self.found else { return clean };
        let open = found.open_beginning(clean.as_bytes());
        match clean.get(open..) {
            Some(whole) if open >= CUT => format!("{MASK}{whole}"),
            _ => clean,
        }
    }
}

impl Found {
    /// The places of secrets, in order, overlapping ones as one.
    fn places(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut all: Vec<Range<usize>> = self.finder.find_overlapping_iter(bytes).map(|found| found.range()).collect();
        all.sort_by_key(|place| (place.start, place.end));
        let mut places: Vec<Range<usize>> = Vec::new();
        for place in all {
            match places.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => places.push(place),
            }
        }
        places
    }

    /// How many bytes at the end may be the beginning of a secret.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let most = bytes.len().min(self.longest.saturating_sub(1));
        (1..=most)
            .rev()
            .find(|length| bytes.get(bytes.len() - length..).is_some_and(|end| self.begins(end)))
            .unwrap_or(0)
    }

    /// Whether a form begins with this and goes on.
    fn begins(&self, text: &[u8]) -> bool {
        let place = self.forms.partition_point(|form| form.as_slice() <= text);
        self.forms.get(place).is_some_and(|form| form.starts_with(text))
    }

    /// How many bytes at the beginning may be the end of a secret.
    fn open_beginning(&self, bytes: &[u8]) -> usize {
        let ends = |form: &Vec<u8>| {
            let most = bytes.len().min(form.len().saturating_sub(1));
            (1..=most).rev().find(|length| bytes.get(..*length).is_some_and(|begin| form.ends_with(begin)))
        };
        self.forms.iter().filter_map(ends).max().unwrap_or(0)
    }
}

fn put(bytes: &[u8], places: &[Range<usize>], mut to: impl FnMut(&[u8])) {
    let mut from = 0;
    for place in places {
        to(bytes.get(from..place.start).unwrap_or_default());
        to(MASK.as_bytes());
        from = place.end;
    }
    to(bytes.get(from..).unwrap_or_default());
}

/// Output on its way to whoever watches. A secret may come in two pieces: what could be the beginning of one is held until it
/// is told from one, or until the output has ended.
#[derive(Default)]
pub struct MaskedStream {
    held: Vec<u8>,
}

impl MaskedStream {
    /// Takes the next piece; what can be shown of it.
    pub fn push(&mut self, masker: &Masker, piece: &[u8]) -> Vec<u8> {
        if masker.shut {
            return Vec::new();
        }
        self.held.extend_from_slice(piece);
        let Some(found) = &masker.found else { return std::mem::take(&mut self.held) };
        let places = found.places(&self.held);
        let sure = self.held.len() - found.open_end(&self.held);
        // A place that reaches behind what is sure may grow yet.
        let cut = places.iter().find(|place| place.end > sure).map_or(sure, |place| place.start.min(sure));
        // Output that repeats the beginning of a secret for ever must not be held for ever: the place is shown as one.
        let cut = if cut + HELD + found.longest < self.held.len() { sure } else { cut };
        self.release(&places, cut)
    }

    /// What is left once the output has ended.
    pub fn finish(&mut self, masker: &Masker) -> Vec<u8> {
        let places = masker.found.as_ref().map(|found| found.places(&self.held)).unwrap_or_default();
        self.release(&places, self.held.len())
    }

    fn release(&mut self, places: &[Range<usize>], cut: usize) -> Vec<u8> {
        let whole: Vec<Range<usize>> =
            places.iter().filter(|place| place.start < cut).map(|place| place.start..place.end.min(cut)).collect();
        let mut clean = Vec::with_capacity(cut);
        put(self.held.get(..cut).unwrap_or_default(), &whole, |part| clean.extend_from_slice(part));
        self.held.drain(..cut);
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masker(secrets: &[&str]) -> Masker {
        let secrets: Vec<Secret> = secrets.iter().map(|secret| Secret((*secret).to_owned())).collect();
        Masker::new(&secrets)
    }

    fn streamed<'p>(masker: &Masker, pieces: impl IntoIterator<Item = &'p [u8]>) -> String {
        let mut stream = MaskedStream::default();
        let mut seen = Vec::new();
        for piece in pieces {
            seen.extend(stream.push(masker, piece));
        }
        seen.extend(stream.finish(masker));
        String::from_utf8(seen).unwrap()
    }

    #[test]
    fn overlapping_secrets_go_as_one_and_neighbours_as_two() {
        let masker = masker(&["swordfish", "swordfish-2", "fish-2-tail"]);
        assert_eq!(masker.text("swordfish-2 swordfish"), "*** ***");
        assert_eq!(masker.text("swordfish-2-tail swordfishswordfish"), "*** ******");
        assert_eq!(masker.text("swordfis"), "swordfis");
        assert!(Masker::default().is_empty() && Masker::default().text("x") == "x");
    }

    #[test]
    fn a_stream_says_the_same_however_it_is_cut() {
        let masker = masker(&["canary-1", "y-12-bird", "é\"x y"]);
        // In each form, and beginnings of it that are none.
        let text = "a canary-1 b canary-12 canary-12-bird cana Y2FuYXJ5LTE= 63616e6172792d31 %C3%A9%22x+y \\u00e9\\\"x y canary-";
        let whole = masker.text(text);
        assert_eq!(whole, "a *** b ***2 *** cana *** *** *** *** canary-");
        for cut in 0..=text.len() {
            let (one, other) = text.as_bytes().split_at(cut);
            assert_eq!(streamed(&masker, [one, other]), whole, "{cut}");
        }
        for size in 1..12 {
            assert_eq!(streamed(&masker, text.as_bytes().chunks(size)), whole, "{size}");
        }
    }

    #[test]
    fn what_is_sure_is_shown_at_once_and_nothing_is_held_for_ever() {
        let canary = masker(&["canary-1"]);
        let mut stream = MaskedStream::default();
        assert_eq!(stream.push(&canary, b"Continue? "), b"Continue? ");
        assert_eq!(stream.push(&canary, b"a can"), b"a ");
        assert_eq!(stream.push(&canary, b"dle"), b"candle");
        let endless = masker(&["aaaaaaaa"]);
        let mut stream = MaskedStream::default();
        for _ in 0..40 {
            let shown = stream.push(&endless, &[b'a'; 4096]);
            assert!(!shown.contains(&b'a'), "shown while it may be one");
            assert!(stream.held.len() < 2 * HELD, "{}", stream.held.len());
        }
    }

    #[test]
    fn a_secret_that_a_text_was_cut_off_in_is_taken_out_too() {
        let masker = masker(&["canary-4f1d2b97"]);
        assert_eq!(masker.cut_off("x canary-4f1"), "x ***");
        assert_eq!(masker.cut_off("x can"), "x can", "too little to tell");
        assert_eq!(masker.cut_on("y-4f1d2b97 x"), "*** x");
        assert_eq!(masker.cut_on("97 x"), "97 x");
    }

    #[test]
    fn a_thousand_lines_and_twenty_secrets_cost_nothing_that_anybody_notices() {
        let secrets: Vec<String> = (0..20).map(|n| format!("secret-{n}-{:x}", n * 7_919_777_u64)).collect();
        let begun = std::time::Instant::now();
        let masker = masker(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
        let made = begun.elapsed();
        let lines: String =
            (0..1000).map(|n| format!("line {n}: nothing secret in here, sec and secre and c2Vj\n")).collect();
        let begun = std::time::Instant::now();
        let shown = streamed(&masker, lines.as_bytes().split_inclusive(|byte| *byte == b'\n'));
        let took = begun.elapsed();
        assert_eq!(shown, lines);
        eprintln!("masking: made in {made:?}, 1000 lines in {took:?}");
        // Far above what it takes (milliseconds), far below what anybody would wait for.
        assert!(made.as_secs_f64() < 2.0 && took.as_secs_f64() < 2.0, "{made:?} {took:?}");
    }
}
