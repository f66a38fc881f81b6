//! What is told of playbooks, plans and runs: JSON in the words of `docs/output.md`, where a thing has a name there. What is
//! sensitive is in none of it: what it is made from has references and `***` in its place.

pub mod incident;
pub mod plan;
pub mod playbook;
pub mod run;
