//! Faults of processes that nobody arranged kindly: kills at every system call, lost replies, stopped runners, jumping
//! clocks, floods of output, many operators at once. Each has a control that shows that the test would notice the damage.
//! What it came to is told in docs/reliability.md.

mod databases;
mod everywhere;
mod scenes;
mod strace;
mod target;

/// How many kills a test of the real binary makes: few in `make test`, many in `make full`.
pub fn kills(few: usize) -> usize {
    std::env::var("PLAYBOOK_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(few)
}
