//! The forms in which a secret leaks: as it is, and as programs write it down. Which of them are looked for is said here; what
//! is in none of these forms is not found (SECURITY.md says so).

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A shorter text is found everywhere: taking it out would garble what is said and give it away by the gaps.
const LEAST: usize = 4;
/// A line of a longer secret counts by itself from here on.
const LINE: usize = 8;

/// Every form of a secret that is looked for.
pub(super) fn of(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut forms = BTreeSet::new();
    for text in [secret, secret.trim()] {
        forms.extend(texts(text).into_iter().map(String::into_bytes));
        encoded(text.as_bytes(), &mut forms);
        // What a program reads from a file or from `echo` has a newline at its end.
        encoded(format!("{text}\n").as_bytes(), &mut forms);
    }
    if secret.contains('\n') {
        let lines = secret.lines().map(str::trim).filter(|line| line.len() >= LINE);
        forms.extend(lines.map(|line| line.as_bytes().to_vec()));
    }
    forms.retain(|form| form.len() >= LEAST);
    forms
}

fn texts(text: &str) -> Vec<String> {
    let json = json(text);
    let mut forms = vec![
        text.to_owned(),
        json.replace('/', "\\/"),
        ascii(&json, false),
        ascii(&json, true),
        hexadecimal(text, "", false),
        hexadecimal(text, "", true),
        hexadecimal(text, "\\x", false),
        // A shell that shows what it runs quotes in one of these ways.
        text.replace('\'', "'\\''"),
        escaped(text),
        markup(text),
        json,
    ];
    for kept in KEPT {
        for upper in [true, false] {
            let form = percent(text, kept, upper);
            forms.push(form.replace("%20", "+"));
            forms.push(form);
        }
    }
    forms
}

/// Which letters stay as they are in an address, as the languages do it: the letters that the standard keeps; those that
/// JavaScript keeps too; those of a path; those of a form; and none at all.
const KEPT: [&str; 6] = ["-_.~", "-_.~!'()*", "-_.~/", "-_.~!$&'()*+,;=:@/", "*-._", ""];

fn percent(text: &str, kept: &str, upper: bool) -> String {
    let mut form = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        let keeps = !kept.is_empty() && (byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte));
        match (keeps, upper) {
            (true, _) => form.push(char::from(byte)),
            // Writing to a String cannot fail.
            (false, true) => _ = write!(form, "%{byte:02X}"),
            (false, false) => _ = write!(form, "%{byte:02x}"),
        }
    }
    form
}

fn hexadecimal(text: &str, before: &str, upper: bool) -> String {
    text.bytes().fold(String::new(), |form, byte| {
        if upper { format!("{form}{before}{byte:02X}") } else { format!("{form}{before}{byte:02x}") }
    })
}

/// Inside of a JSON string.
fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// The same, of those that write everything but ASCII as numbers.
fn ascii(json: &str, upper: bool) -> String {
    let mut form = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            form.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = if upper { write!(form, "\\u{unit:04X}") } else { write!(form, "\\u{unit:04x}") };
        }
    }
    form
}

fn escaped(text: &str) -> String {
    let mut form = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() && !letter.is_ascii_alphanumeric() && !"-_.,/:=+@%^".contains(letter) {
            form.push('\\');
        }
        form.push(letter);
    }
    form
}

fn markup(text: &str) -> String {
    let form = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    form.replace('"', "&quot;").replace('\'', "&#39;")
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_ADDRESSES: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// In base64: alone, with and without its padding, in lines of the usual widths; and as it stands in the middle of
/// something longer that was encoded, by each of the three ways in which bytes fall onto its letters.
fn encoded(bytes: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    for alphabet in [STANDARD, FOR_ADDRESSES] {
        let alone = base64(bytes, alphabet);
        let mut padded = alone.clone();
        padded.resize(alone.len().next_multiple_of(4), b'=');
        for width in [64, 76].into_iter().filter(|width| padded.len() > *width) {
            forms.insert(padded.chunks(width).collect::<Vec<_>>().join(&b'\n'));
        }
        forms.insert(padded);
        forms.insert(alone);
        for before in 0..3_usize {
            let shifted = [&[0; 2][..before], bytes].concat();
            let letters = base64(&shifted, alphabet);
            // The letters at both ends hold bits of what is around it.
            let from = (before * 8).div_ceil(6);
            let to = shifted.len() * 8 / 6;
            forms.insert(letters.get(from..to).unwrap_or_default().to_vec());
        }
    }
}

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let mut letters = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        let all = [bits >> 18, bits >> 12, bits >> 6, bits].map(|bits| alphabet[bits & 63]);
        letters.extend_from_slice(&all[..=chunk.len()]);
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(secret: &str, form: &str) -> bool {
        of(secret).contains(form.as_bytes())
    }

    #[test]
    fn the_forms_are_those_that_programs_write() {
        // Each as `base64`, `python3 -c`, `xxd -p`, `jq` write it.
        let secret = "pa ss/w?rd'~é";
        for form in [
            "pa ss/w?rd'~é",
            "cGEgc3Mvdz9yZCd+w6k=",
            "cGEgc3Mvdz9yZCd+w6k",
            "cGEgc3Mvdz9yZCd-w6k=",
            "cGEgc3Mvdz9yZCd-w6k",
            "cGEgc3Mvdz9yZCd+w6kK",
            "pa%20ss%2Fw%3Frd%27~%C3%A9",
            "pa%20ss%2fw%3frd%27~%c3%a9",
            "pa+ss%2Fw%3Frd%27~%C3%A9",
            "pa+ss%2Fw%3Frd%27%7E%C3%A9",
            "pa%20ss/w%3Frd%27~%C3%A9",
            "pa%20ss%2Fw%3Frd'~%C3%A9",
            "%70%61%20%73%73%2F%77%3F%72%64%27%7E%C3%A9",
            "pa ss\\/w?rd'~é",
            "pa ss/w?rd'~\\u00e9",
            "pa ss/w?rd'~\\u00E9",
            "70612073732f773f7264277ec3a9",
            "70612073732F773F7264277EC3A9",
            "pa ss/w?rd'\\''~é",
            "pa\\ ss/w\\?rd\\'\\~é",
        ] {
            assert!(has(secret, form), "{form}");
        }
        assert!(has("a\"b\\c\n&d", "a\\\"b\\\\c\\n&d") && has("a\"b<&d", "a&quot;b&lt;&amp;d"));
    }

    #[test]
    fn it_is_found_in_the_middle_of_what_was_encoded() {
        let secret = "canary-4f1d2b97";
        for before in 0..9 {
            for after in 0..4 {
                let text = [&b"user:pass"[..before], secret.as_bytes(), &[255_u8, 0, 122][..after]].concat();
                let letters = base64(&text, STANDARD);
                let found = of(secret).iter().any(|form| letters.windows(form.len()).any(|window| window == form));
                assert!(found, "{before} before, {after} after");
            }
        }
        let long = "x1y2".repeat(40);
        let wrapped = base64(long.as_bytes(), STANDARD).chunks(76).collect::<Vec<_>>().join(&b'\n');
        assert!(of(&long).iter().any(|form| form.starts_with(&wrapped)));
    }

    #[test]
    fn what_is_too_short_is_left_alone() {
        assert!(of("abc").iter().all(|form| form.len() >= LEAST) && !of("abc").contains(b"abc".as_slice()));
        let key = "-----BEGIN KEY-----\nMIIabcdefg\nx\n-----END KEY-----\n";
        assert!(has(key, "MIIabcdefg") && !has(key, "x"));
    }
}
