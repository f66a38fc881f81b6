//! `approval:` on a step or a group: how it is read, and where it may stand. An approval that would wait while the service
//! is not up, or while others are under way, is refused here: nobody meets that at night.

use crate::document::Node;
use crate::ids::is_identifier;

use super::super::faults::Faults;
use super::super::level::Level;
use super::super::reader::Reader;
use super::super::words::{self, check_keys};
use super::super::{Group, GroupKind, Playbook, Service};
use super::{Approval, OnTimeout};

/// How long people have to answer where nothing is said, in seconds.
const TIMEOUT: f64 = 900.0;
/// More people than this will not be found at night.
const MOST: u32 = 10;

/// Reads it. `approval: true` asks anybody.
pub(in crate::playbook) fn read(reader: &mut Reader<'_>, step: &Node) -> Option<Approval> {
    let node = step.get("approval")?;
    let anybody = Approval {
        roles: Vec::new(),
        min: 1,
        timeout: TIMEOUT,
        on_timeout: None,
        prevent_self_approval: false,
        condition: None,
        span: node.span,
    };
    let Some(entries) = node.entries() else {
        return match reader.boolean(node, "approval") {
            Some(true) => Some(anybody),
            _ => None,
        };
    };
    check_keys(&mut reader.faults, entries, &words::APPROVAL);
    let words = [("rollback", OnTimeout::Rollback), ("abandon", OnTimeout::Abandon), ("page", OnTimeout::Page)];
    Some(Approval {
        roles: node.get("roles").map(|node| roles(reader, node)).unwrap_or_default(),
        min: node.get("min").and_then(|node| min(reader, node)).unwrap_or(1),
        timeout: node.get("timeout").and_then(|node| reader.duration(node, "timeout", 1.0)).unwrap_or(TIMEOUT),
        on_timeout: node.get("on_timeout").and_then(|node| reader.word(node, "on_timeout", &words)),
        prevent_self_approval: node
            .get("prevent_self_approval")
            .and_then(|node| reader.boolean(node, "prevent_self_approval"))
            .unwrap_or(false),
        condition: node.get("if").and_then(|node| reader.expression(node, "if")),
        span: node.span,
    })
}

fn roles(reader: &mut Reader<'_>, node: &Node) -> Vec<String> {
    let mut roles = Vec::new();
    for (role, span) in reader.texts(node, "roles") {
        if !is_identifier(&role.replace('-', "_")) {
            let help = Some("a role is a name of the configuration's `roles`, such as `dba`".to_owned());
            reader.faults.error("bad-name", span, format!("`{role}` is no role"), help);
        }
        roles.push(role);
    }
    if roles.is_empty() {
        reader.faults.error("bad-approval", node.span, "with an empty list of roles nobody could approve", None);
    }
    roles
}

fn min(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    let count = reader.text(node, "min").and_then(|text| text.parse::<u32>().ok());
    if !count.is_some_and(|count| (1..=MOST).contains(&count)) {
        let message = format!("`min` is how many people have to approve: 1 to {MOST}");
        reader.faults.error("out-of-range", node.span, message, None);
    }
    count
}

/// Says where an approval may not stand. It works on the whole, nested playbooks and all.
pub(in crate::playbook) fn check(faults: &mut Faults, level: &Level) {
    let book = |id: Option<&crate::ids::StepId>| around(level, id);
    let mut service = Service::Up;
    let mut crossed = false;
    for (place, step) in level.steps.iter().enumerate() {
        let begins = level.groups.iter().filter(|group| group.group.first == place && group.group.count > 0);
        for group in begins {
            if let Some(approval) = &group.group.approval {
                one(faults, approval, &group.group.id, &book(group.group.parent.as_ref()), service, crossed);
            }
        }
        if let Some(approval) = &step.approval {
            one(faults, approval, &step.id, &book(step.group.as_ref()), service, crossed);
        }
        crossed |= step.point_of_no_return;
        service = step.service.unwrap_or(service);
        let ends = level.groups.iter().filter(|group| group.group.range().end == place + 1);
        service = ends.filter_map(|group| group.group.service).next_back().unwrap_or(service);
    }
}

fn one(
    faults: &mut Faults,
    approval: &Approval,
    id: &crate::ids::StepId,
    around: &[&Group],
    service: Service,
    crossed: bool,
) {
    let repeated = around.iter().find(|group| matches!(group.kind, GroupKind::Parallel | GroupKind::Each(_)));
    if let Some(group) = repeated {
        let help = format!("put it on `{}`: then one answer lets all of it begin", group.id);
        let message = format!("`{id}` would ask while others are under way, or once for each item");
        faults.error("approval-in-group", approval.span, message, Some(help));
    }
    if service != Service::Up {
        let help = "put it before the step that takes the service down: nobody should answer while customers wait";
        let message = format!("`{id}` would wait for a person while the service is {}", service.word());
        faults.error("approval-while-down", approval.span, message, Some(help.to_owned()));
    }
    if crossed && approval.on_timeout == Some(OnTimeout::Rollback) {
        let help = "write `on_timeout: page` or `on_timeout: abandon`, or put the approval before it";
        let message = format!("`{id}` stands behind the point of no return, and the run cannot go back from there");
        faults.error("bad-approval", approval.span, message, Some(help.to_owned()));
    }
}

/// The groups around a place, the innermost first.
fn around<'a>(level: &'a Level, innermost: Option<&crate::ids::StepId>) -> Vec<&'a Group> {
    let mut list: Vec<&Group> = Vec::new();
    let mut next = innermost.cloned();
    while let Some(id) = next {
        let Some(found) = level.groups.iter().find(|draft| draft.group.id == id) else { break };
        // A circle cannot be, and must not hang lint where the text is broken.
        if list.iter().any(|group| group.id == found.group.id) {
            break;
        }
        list.push(&found.group);
        next = found.group.parent.clone();
    }
    list
}

/// The roles that a playbook asks for, each once.
pub fn roles_of(book: &Playbook) -> Vec<&str> {
    let steps = book.steps.iter().filter_map(|step| step.approval.as_ref());
    let groups = book.groups.iter().filter_map(|group| group.approval.as_ref());
    let mut roles: Vec<&str> =
        steps.chain(groups).flat_map(|approval| approval.roles.iter().map(String::as_str)).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}
