//! How much anybody may take of the server, so that a slow, huge or endless request hurts nobody else.

use std::time::Duration;

/// How much anybody may take.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// How many bytes a request's body may have.
    pub body: usize,
    /// The same of one that brings a plan along.
    pub plan: usize,
    /// How many bytes its head may have; at least 8192.
    pub head: usize,
    /// How long its head may take, from the moment in which it is waited for.
    pub head_time: Duration,
    /// How long its body may take.
    pub body_time: Duration,
    /// How long an answer is worked on before the caller is told that it takes longer.
    pub answer_time: Duration,
    /// How long a connection may be open with nothing asked on it.
    pub idle_time: Duration,
    /// How many connections a listener has open.
    pub connections: usize,
    /// How many of them from one address, or of one user on the socket.
    pub connections_each: usize,
    /// How many streams of events are followed at once.
    pub streams: usize,
    /// How many requests look at the journal at once.
    pub readers: usize,
    /// How many wait for runs that begin, are planned or asked for something.
    pub askers: usize,
    /// How often a caller may ask.
    pub callers: Rate,
    /// How often an address may come with a token that does not count.
    pub strangers: Rate,
    /// How soon a stream looks for new records.
    pub look_again: Duration,
    /// How soon a stream without news says that it lives.
    pub heartbeat: Duration,
    /// How long what is under way may take after the server was told to stop.
    pub last_words: Duration,
}

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// In the long run, in a second.
    pub per_second: f64,
    /// At once.
    pub burst: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            plan: 8 * 1024 * 1024,
            head: 16 * 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            answer_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(60),
            connections: 512,
            connections_each: 128,
            streams: 64,
            readers: 8,
            askers: 32,
            callers: Rate { per_second: 50.0, burst: 200.0 },
            strangers: Rate { per_second: 2.0, burst: 20.0 },
            look_again: Duration::from_millis(250),
            heartbeat: Duration::from_secs(15),
            last_words: Duration::from_secs(5),
        }
    }
}
