//! When a message is tried again. The spread comes from what it is, not from chance: a thousand runners do not knock at the same
//! moment, and a test can say when.

use crate::ids::Digest;

/// The first wait, in milliseconds.
const FIRST: i64 = 2_000;
/// The longest: a receiver that is back is told within five minutes.
const LONGEST: i64 = 300_000;

/// How long to wait after so many tries in vain, in milliseconds.
pub(super) fn wait(target: &str, id: &str, attempts: u32) -> i64 {
    let doublings = attempts.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let digest = Digest::of(format!("{target}\n{id}\n{attempts}").as_bytes());
    let number = digest.short().get(..4).and_then(|text| i64::from_str_radix(text, 16).ok()).unwrap_or(0);
    // From three quarters of it to the whole.
    whole - whole / 4 * number / 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_minutes_and_is_spread() {
        for attempts in 1..40 {
            let wait = wait("ops", "r-1:7", attempts);
            let whole = (2000_i64 << (attempts - 1).min(16)).min(300_000);
            assert!(wait <= whole && wait >= whole * 3 / 4, "{attempts}: {wait}");
        }
        assert_eq!(wait("ops", "r-1:7", 3), wait("ops", "r-1:7", 3));
        let all: std::collections::BTreeSet<i64> = (0..50).map(|run| wait("ops", &format!("r-{run}:7"), 5)).collect();
        assert!(all.len() > 40);
    }
}
