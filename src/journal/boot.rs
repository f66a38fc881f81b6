//! The boot clock and the boot's id: what leases are measured with. The wall clock must never decide about a lease, as it
//! can be set; the boot clock also runs while the machine sleeps.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The kernel's id of this boot; empty where the kernel does not tell.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// How long ago this machine was booted.
pub(super) fn since_boot() -> Duration {
    // The clock exists on every kernel that can run this; where it cannot be read, leases merely look fresh.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// How long a lease was not renewed; absent where it was last renewed before a reboot.
pub(super) fn idle(renewed: Duration, renewed_in: &str, now: Duration, boot: &str) -> Option<Duration> {
    (renewed_in == boot && !boot.is_empty()).then(|| now.saturating_sub(renewed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_of_another_boot_has_no_idle_time() {
        let seconds = Duration::from_secs;
        assert_eq!(idle(seconds(5), "a", seconds(9), "a"), Some(seconds(4)));
        assert_eq!(idle(seconds(5), "a", seconds(9), "b"), None);
        assert_eq!(idle(seconds(5), "", seconds(9), ""), None);
    }

    #[test]
    fn this_boot_has_an_id_and_a_clock() {
        assert_eq!(boot_id().len(), 36);
        assert!(since_boot() > Duration::ZERO);
    }
}
