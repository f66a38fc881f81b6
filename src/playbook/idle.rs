//! Keys that stand in a step and do nothing there, or not what they seem to. Whoever wrote one believes that it does
//! something, and finds out in the outage. What is harmless is said and let pass; it never changes the step.

use crate::document::Node;
use crate::spec::Effect;

use super::command::Call;
use super::reader::Reader;
use super::{Retry, template};

/// Says what does nothing in a step.
pub(super) fn check(reader: &mut Reader<'_>, node: &Node, call: &Call, effect: Effect) {
    for key in ["name", "because"] {
        no_template(reader, node, key);
    }
    if effect == Effect::Read {
        idle(reader, node, "settle", "a step that only reads is simply run again; nothing is waited for before");
        idle(reader, node, "covers", "a step that only reads leaves nothing that could be undone");
    }
    let own_steps = node.get("rollback").is_some_and(|rollback| rollback.items().is_some() || !says_none(rollback));
    if own_steps && effect == Effect::Read {
        idle(reader, node, "rollback", "a step that only reads is never undone");
    }
    if own_steps {
        idle(reader, node, "because", "it says why there is no rollback, and there is one");
    }
    if node.get("covers").is_some() && !own_steps && effect != Effect::Read {
        idle(reader, node, "covers", "it speaks of the steps of a `rollback`, and there are none");
    }
    kill_on_timeout(reader, node, call, effect);
    if let Some(given) = node.get("retry") {
        retry(reader, node, given, effect);
    }
}

/// A text that is shown as it is written.
pub(super) fn no_template(reader: &mut Reader<'_>, node: &Node, key: &str) {
    let Some(given) = node.get(key) else { return };
    if given.scalar().is_some_and(|scalar| template::is_template(&scalar.text)) {
        let message = format!("`{key}` is shown as it is written here: nothing is filled in");
        let help = "write it without {{…}}; the plan and the timeline show each step's arguments beside it";
        reader.faults.error("template-in-name", given.span, message, Some(help.to_owned()));
    }
}

fn says_none(rollback: &Node) -> bool {
    rollback.scalar().is_some_and(|scalar| scalar.text == "none") || rollback.get("none").is_some()
}

fn idle(reader: &mut Reader<'_>, node: &Node, key: &str, why: &str) {
    if let Some(given) = node.get(key) {
        let help = Some(format!("leave out `{key}`"));
        reader.faults.warn("idle-key", given.span, format!("`{key}` does nothing here: {why}"), help);
    }
}

fn kill_on_timeout(reader: &mut Reader<'_>, node: &Node, call: &Call, effect: Effect) {
    let why = match call.action.as_str() {
        "ssh" if effect.changes() => return,
        "ssh" => "a remote command that only reads is always killed at its timeout",
        "shell" => "a command on this machine is always killed at its timeout",
        _ => "it is for commands on other hosts (`run` or `argv` with `host`)",
    };
    idle(reader, node, "kill_on_timeout", why);
}

/// A retry that was given to this very step. One from `defaults:` is meant for those for which it fits.
fn retry(reader: &mut Reader<'_>, node: &Node, given: &Node, effect: Effect) {
    // What is wrong with its form is said where it is read.
    let Some(retry) = read_quietly(given) else { return };
    if retry.attempts <= 1 {
        for key in ["delay", "backoff", "max_delay"] {
            if let Some(extra) = given.get(key) {
                let message = format!("`{key}` does nothing here: `attempts` counts all tries, and there is one");
                let help = Some("add `attempts: 3`, or leave out `retry`".to_owned());
                reader.faults.warn("idle-key", extra.span, message, help);
                return;
            }
        }
        return;
    }
    // A step with requirements is tried again while they do not hold, as nothing was sent then.
    if effect == Effect::Once && node.get("require").is_none() {
        let message = "this step may run only once, so it is never tried again after a failure: only where certainly \
                       nothing was sent";
        let help = "say `effect: idempotent` if running it twice is the same as once, or give it a `probe`; else leave \
                    out `retry`";
        reader.faults.warn("idle-retry", given.span, message, Some(help.to_owned()));
    }
    if retry.delay > retry.max_delay {
        let most = crate::value::format_seconds(retry.max_delay);
        let message = format!("the wait between two tries is {most} all the same: `max_delay` is the longest");
        let help = Some("raise `max_delay`, or lower `delay`".to_owned());
        reader.faults.warn("idle-key", given.get("delay").unwrap_or(given).span, message, help);
    }
}

fn read_quietly(given: &Node) -> Option<Retry> {
    given.entries()?;
    let seconds = |key: &str| given.get(key).map(|node| crate::value::parse_duration(&node.scalar()?.text));
    let mut retry = Retry::default();
    if let Some(node) = given.get("attempts") {
        retry.attempts = node.scalar()?.text.parse().ok()?;
    }
    if let Some(delay) = seconds("delay") {
        retry.delay = delay?;
    }
    if let Some(most) = seconds("max_delay") {
        retry.max_delay = most?;
    }
    Some(retry)
}

#[cfg(test)]
mod tests {
    use crate::actions::Table;
    use crate::diagnostic::{Severity, Source};
    use crate::playbook::load;
    use crate::spec::Specs;

    fn faults(step: &str) -> Vec<(&'static str, Severity)> {
        let step = step.replacen("{ ", "{ id: a, ", 1);
        let text = format!("name: x\nversion: 1.0.0\nsteps:\n  - {step}\n");
        let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        loaded.diagnostics.into_iter().map(|fault| (fault.code, fault.severity)).collect()
    }

    const UNDO: &str = "rollback: [{ run: y, effect: idempotent }]";

    #[test]
    fn what_does_nothing_is_said() {
        for (step, code) in [
            ("{ run: x, effect: read, settle: 2s }".to_owned(), "idle-key"),
            ("{ run: x, effect: read, covers: partial }".to_owned(), "idle-key"),
            (format!("{{ run: x, effect: read, {UNDO} }}"), "idle-key"),
            (
                "{ run: x, effect: idempotent, rollback: none, because: it is so, covers: partial }".to_owned(),
                "idle-key",
            ),
            (format!("{{ run: x, effect: idempotent, {UNDO}, because: it is so }}"), "idle-key"),
            (format!("{{ run: x, effect: idempotent, {UNDO}, kill_on_timeout: false }}"), "idle-key"),
            ("{ run: x, effect: read, host: web, kill_on_timeout: true }".to_owned(), "idle-key"),
            ("{ uses: http, with: { url: 'http://x' }, kill_on_timeout: true }".to_owned(), "idle-key"),
            (format!("{{ run: x, {UNDO}, retry: {{ attempts: 3 }} }}"), "idle-retry"),
            ("{ run: x, effect: read, retry: { delay: 2s } }".to_owned(), "idle-key"),
            ("{ run: x, effect: read, retry: { attempts: 3, delay: 60s } }".to_owned(), "idle-key"),
        ] {
            assert_eq!(faults(&step), [(code, Severity::Warning)], "{step}");
        }
        for step in [
            "{ run: x, effect: read, name: 'stop {{inputs.x}}' }",
            "{ run: x, rollback: none, because: '{{inputs.x}}' }",
        ] {
            assert_eq!(faults(step), [("template-in-name", Severity::Error)], "{step}");
        }
        let text =
            "name: x\nversion: 1.0.0\ntitle: Restart {{inputs.x}}\nsteps:\n  - { id: a, run: x, effect: read }\n";
        let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        assert_eq!(loaded.diagnostics.iter().map(|fault| fault.code).collect::<Vec<_>>(), ["template-in-name"]);
    }

    #[test]
    fn what_does_something_is_let_pass() {
        for step in [
            format!(
                "{{ run: x, effect: idempotent, {UNDO}, covers: partial, settle: 2s, retry: {{ attempts: 3, delay: 2s }} }}"
            ),
            format!("{{ run: x, effect: idempotent, host: web, {UNDO}, kill_on_timeout: true }}"),
            "{ run: x, effect: read, retry: { attempts: 3, delay: 60s, max_delay: 2m } }".to_owned(),
            "{ run: x, effect: read, rollback: none, because: it only looks, retry: { attempts: 1 } }".to_owned(),
            "{ uses: assert, with: { that: true }, name: 'it holds, {so} far', retry: { attempts: 2 } }".to_owned(),
        ] {
            let found = faults(&step);
            assert!(
                !found.iter().any(|(code, _)| code.starts_with("idle") || *code == "template-in-name"),
                "{step}: {found:?}"
            );
        }
    }
}
