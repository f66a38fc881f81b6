//! `playbook serve`: owns a state where more than one person works with it, and lets others act on it over HTTP, each with
//! the roles that they have. It never decides what a run does: that is the engine's, as everywhere.
