//! Why an alert is not taken. None of the texts repeats a secret, a signature, or what nobody has proved to have sent.

/// Why a delivery, or an alert of it, is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TriggerError {
    /// It does not prove who sent it.
    #[error("the sender of this did not prove to be {name}: {why}")]
    Unproved {
        /// The source by its name in the configuration.
        name: String,
        /// What is missing or does not fit.
        why: String,
    },
    /// It was signed too long ago, or in the future: a copy of an old one, or a clock that is wrong.
    #[error("this is {age} and is not taken, as it may be a copy of an old one: {why}")]
    Stale {
        /// How far from now.
        age: String,
        /// What to look at.
        why: String,
    },
    /// It has another form.
    #[error("this cannot be read as what {name} sends: {why}")]
    Malformed {
        /// The source.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is more in it than is taken.
    #[error("this is more than is taken at once: {0}")]
    TooLarge(String),
    /// What the configuration says of it cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The playbook may not be started like this.
    #[error("{0}")]
    NotAllowed(String),
    /// What the route asks for cannot be made from the alert.
    #[error("{0}")]
    Inputs(String),
}
