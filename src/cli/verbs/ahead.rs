//! What whoever starts a run says of its approvals before it begins: that some are given, that the glass is broken; and what
//! a person should know before they start something that nobody here can approve.

use crate::cli::args::Run;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::engine::holder::this_process;
use crate::engine::{People as _, SystemPeople};
use crate::ids::StepId;
use crate::playbook::{Approval, Playbook, roles_of};
use crate::run::{BREAK_GLASS, has_a_role, may_break_glass};

/// The steps that are approved ahead.
///
/// # Errors
/// When a step is not there or asks for nothing, or this person may not.
pub(super) fn approved(setup: &Setup, args: &Run, book: &Playbook) -> Result<Vec<StepId>, Failure> {
    approved_by(setup, &args.starting.approve, &this_process().user, book)
}

/// The same for somebody who is named.
///
/// # Errors
/// When a step is not there or asks for nothing, or this person may not.
pub(super) fn approved_by(
    setup: &Setup,
    names: &[String],
    user: &str,
    book: &Playbook,
) -> Result<Vec<StepId>, Failure> {
    let roles = SystemPeople::of(&setup.config.roles).roles_of(user);
    names.iter().map(|name| one(book, name, user, &roles)).collect()
}

fn one(book: &Playbook, name: &str, user: &str, roles: &[String]) -> Result<StepId, Failure> {
    let refuse = |exit, what: String| Err(Failure::new(exit, what).meaning("nothing was started or changed"));
    let id: StepId = name
        .parse()
        .map_err(|error: crate::ids::InvalidName| Failure::new(Exit::Usage, format!("--approve: {error}")))?;
    let Some(approval) = approvals(book).find(|(of, _)| *of == &id).map(|(_, approval)| approval) else {
        let asking: Vec<&str> = approvals(book).map(|(id, _)| id.as_str()).collect();
        let list = if asking.is_empty() { "none does".to_owned() } else { asking.join(", ") };
        return refuse(Exit::Usage, format!("--approve {id}: that step asks for no approval; of this playbook {list}"));
    };
    if approval.prevent_self_approval {
        return refuse(Exit::NotAllowed, format!("{id} wants the approval of somebody else than who starts the run"));
    }
    if !has_a_role(&approval.roles, roles) {
        let what = format!("{id} wants the approval of {}, and {user} has no such role", approval.roles.join(" or "));
        return refuse(Exit::NotAllowed, what);
    }
    Ok(id)
}

/// The override that breaking the glass is, where something asks for an approval at all.
///
/// # Errors
/// When this person may not.
pub(super) fn break_glass(setup: &Setup, args: &Run, book: &Playbook) -> Result<Option<(String, String)>, Failure> {
    let reason = args.starting.break_glass.then(|| args.starting.reason.as_deref().unwrap_or_default());
    glass_broken_by(setup, reason, &this_process().user, book)
}

/// The same for somebody who is named and says why.
///
/// # Errors
/// When this person may not, or says nothing.
pub(super) fn glass_broken_by(
    setup: &Setup,
    reason: Option<&str>,
    user: &str,
    book: &Playbook,
) -> Result<Option<(String, String)>, Failure> {
    let Some(reason) = reason.filter(|_| approvals(book).next().is_some()) else { return Ok(None) };
    if reason.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "the glass is broken with a reason: --reason TEXT"));
    }
    may_break_glass(user, &SystemPeople::of(&setup.config.roles).roles_of(user)).map_err(|why| {
        Failure::new(Exit::NotAllowed, why)
            .meaning("nothing was started or changed")
            .next("start it without --break-glass; it asks for the approvals when it comes to them")
    })?;
    Ok(Some((BREAK_GLASS.to_owned(), reason.to_owned())))
}

/// Says which roles nobody has: a run that waits for nobody is found out before it begins.
pub(super) fn warn(setup: &Setup, book: &Playbook) {
    for (what, mend) in without_people(setup, book) {
        setup.screen.warn(&[Line::new().with(Ink::Warn, format!("{what}: {mend}"))]);
    }
}

/// The roles that an approval asks for and nobody has, each with what gives it to somebody.
pub(in crate::cli) fn without_people(setup: &Setup, book: &Playbook) -> Vec<(String, String)> {
    let nobody = roles_of(book).into_iter().filter(|role| !setup.config.roles.contains_key(*role));
    let said = |role: &str| {
        let what = format!("an approval asks for the role {role}, and the configuration gives it to nobody");
        (what, format!("`roles: {{ {role}: {{ users: […] }} }}`"))
    };
    nobody.map(said).collect()
}

fn approvals(book: &Playbook) -> impl Iterator<Item = (&StepId, &Approval)> {
    let steps = book.steps.iter().filter_map(|step| Some((&step.id, step.approval.as_ref()?)));
    let groups = book.groups.iter().filter_map(|group| Some((&group.id, group.approval.as_ref()?)));
    steps.chain(groups)
}
