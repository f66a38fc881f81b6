//! The plan of the samples with every kind of brake.

use crate::diagnostic::Span;
use crate::plan::{Decided, Plan, PlannedCheck};
use crate::playbook::{Approval, Argument, Budget, Check, CheckKind, Expression, OnTimeout, Template};
use crate::spec::Effect;
use crate::value::Value;

use super::{plan, step};

/// The plan: an identity, two invariants, a budget, an approval before the point of no return and one behind it.
pub fn braked_plan() -> Plan {
    let mut plan = plan();
    let expression = |source: &str| Expression { source: source.to_owned(), span: Span::default() };
    let check = |number: usize, name: &str, kind: CheckKind, source: &str| {
        let mut look = step(&format!("check_{number}"), name, "postgres.status", Effect::Read);
        let cluster = Template { source: "{{inputs.cluster}}".to_owned(), span: Span::default() };
        look.arguments = vec![("cluster".to_owned(), Argument::Template(cluster))];
        Check { name: name.to_owned(), kind, group: None, step: look, expression: expression(source), within: 0.0 }
    };
    let settles =
        check(2, "the standby follows", CheckKind::Checkpoints, "outputs.lag_bytes <= 1024 || !outputs.streaming");
    plan.playbook.checks = vec![
        check(0, "it is the cluster that we mean", CheckKind::Identity, "outputs.system_identifier == '74'"),
        check(1, "at most one member takes writes", CheckKind::Always, "outputs.primaries <= 1"),
        Check { within: 10.0, ..settles },
    ];
    let decided = [Decided::Yes, Decided::No { why: "outputs.primaries = 2".to_owned() }, Decided::Yes];
    let checks = plan.playbook.checks.iter().zip(decided);
    plan.checks = checks
        .map(|(check, decided)| PlannedCheck {
            name: check.name.clone(),
            kind: check.kind,
            decided,
            outputs: Value::Null,
        })
        .collect();
    let (from, to) = (plan.playbook.steps[1].id.clone(), plan.playbook.steps[3].id.clone());
    plan.playbook.budgets = vec![Budget { from, to, max: 180.0 }];
    let anybody = Approval {
        roles: Vec::new(),
        min: 1,
        timeout: 900.0,
        on_timeout: None,
        prevent_self_approval: false,
        condition: None,
        span: Span::default(),
    };
    plan.playbook.steps[2].approval = Some(Approval {
        roles: vec!["dba".to_owned(), "incident-commander".to_owned()],
        min: 2,
        timeout: 300.0,
        on_timeout: Some(OnTimeout::Abandon),
        prevent_self_approval: true,
        condition: Some(expression("inputs.mode == 'unplanned'")),
        ..anybody.clone()
    });
    plan.playbook.steps[1].approval = Some(anybody.clone());
    plan.playbook.steps[3].approval = Some(anybody);
    plan
}
