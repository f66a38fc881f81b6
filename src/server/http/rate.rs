//! How often each of many may do something: a bucket each, that fills again with time.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::limits::Rate;

/// How many buckets are kept before those that are full again are let go of.
const KEPT: usize = 4096;

/// A bucket each.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    each: Mutex<HashMap<K, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Hash + Eq> Buckets<K> {
    /// Buckets that are all full.
    pub fn new(rate: Rate) -> Self {
        Self { rate, each: Mutex::new(HashMap::new()) }
    }

    /// Takes one out of somebody's bucket.
    ///
    /// # Errors
    /// When it is empty: in how many seconds there is one again, at least 1.
    pub fn take(&self, who: K, now: Instant) -> Result<(), u64> {
        let Rate { per_second, burst } = self.rate;
        let filled = |bucket: &Bucket| {
            let since = now.saturating_duration_since(bucket.at).as_secs_f64();
            (bucket.left + since * per_second).min(burst)
        };
        let mut each = self.each.lock().unwrap_or_else(PoisonError::into_inner);
        if each.len() >= KEPT {
            each.retain(|_, bucket| filled(bucket) < burst);
            // Thousands of callers at once, none of whom may come again soon: it is the memory that counts then.
            if each.len() >= KEPT {
                each.clear();
            }
        }
        let bucket = each.entry(who).or_insert(Bucket { left: burst, at: now });
        *bucket = Bucket { left: filled(bucket), at: now };
        if bucket.left < 1.0 {
            return Err(((1.0 - bucket.left) / per_second).ceil().clamp(1.0, 3600.0) as u64);
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_has_a_bucket_that_fills_again() {
        let buckets = Buckets::new(Rate { per_second: 2.0, burst: 3.0 });
        let now = Instant::now();
        assert!((0..3).all(|_| buckets.take("ann", now).is_ok()));
        assert_eq!(buckets.take("ann", now), Err(1));
        assert!(buckets.take("bob", now).is_ok(), "what one takes is not the other's");
        assert!(buckets.take("ann", now + Duration::from_millis(500)).is_ok());
        assert!(buckets.take("ann", now + Duration::from_millis(600)).is_err());
        assert!((0..3).all(|_| buckets.take("ann", now + Duration::from_secs(60)).is_ok()));
        assert!(buckets.take("ann", now + Duration::from_secs(60)).is_err(), "it is never fuller than full");
    }

    #[test]
    fn however_many_come_what_is_kept_is_bounded() {
        let buckets = Buckets::new(Rate { per_second: 1.0, burst: 1.0 });
        let now = Instant::now();
        (0..3 * KEPT).for_each(|who| assert!(buckets.take(who, now).is_ok()));
        assert!(buckets.each.lock().unwrap().len() <= KEPT);
    }
}
