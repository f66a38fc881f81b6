//! The record that a reading step runs again: it moves nothing on, and only what may run out of its turn can have it.

use playbook::ids::Digest;
use playbook::run::{Event, Record, RunState, Task, Time};
use playbook::sim::Fault;

use super::harness::{Life, Simulation, book, step};

fn next(state: &RunState, task: &str) -> Record {
    let of = |name: &str| Task::of(&name.parse().unwrap());
    Record {
        seq: state.seq + 1,
        time: Time(0),
        epoch: state.epoch,
        actor: "runner".to_owned(),
        previous: state.head.clone(),
        hash: Digest::of(b"next"),
        event: Event::ReadAgain { task: of(task), needed_by: of("c") },
    }
}

#[test]
fn only_a_reading_step_that_keeps_secrets_and_has_read_is_read_again() {
    let simulation = Simulation::new();
    let mut reads = step("a", "sim.read");
    reads.sensitive = true;
    let mut plain = step("b", "sim.read");
    plain.sensitive = false;
    let mut later = step("d", "sim.read");
    later.sensitive = true;
    let steps = vec![reads, plain, step("c", "sim.probed"), later];
    simulation.world.fail("c", 1, Fault::KilledAfter);
    assert!(matches!(simulation.start(&book(steps), None), Life::Killed));
    let state = simulation.state();
    let mut moved = state.clone();
    moved.apply(&next(&state, "a")).unwrap();
    let known = |state: &RunState| (state.tasks.clone(), state.order.clone(), state.question.clone());
    assert_eq!(known(&moved), known(&state), "it is told, and nothing rests on it");
    for (task, why) in [("b", "keeps no secrets"), ("c", "changes something"), ("d", "has not read yet")] {
        let error = state.clone().apply(&next(&state, task)).unwrap_err().to_string();
        assert!(error.contains("nothing that could be read again"), "{why}: {error}");
    }
}
