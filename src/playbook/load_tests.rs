use std::path::Path;

use serde_json::json;

use super::*;
use crate::diagnostic::{Severity, Source};
use crate::spec::{ActionSpec, Effect, Fidelity, FieldSpec, Specs, UndoSpec};
use crate::value::Type;

fn spec(name: &'static str, effect: Effect, inputs: Vec<FieldSpec>, outputs: Vec<FieldSpec>) -> ActionSpec {
    let undo = if effect.changes() {
        UndoSpec::Restores { how: "puts it back", from_observation: true }
    } else {
        UndoSpec::Nothing
    };
    ActionSpec {
        name,
        summary: "",
        details: "",
        inputs,
        outputs,
        facts: Vec::new(),
        effect,
        fidelity: Fidelity::Probed,
        proves: "",
        undo,
        resource: None,
        settle_seconds: 2.0,
        timeout_seconds: 33.0,
        open_inputs: false,
    }
}

fn specs() -> Specs {
    let cluster = || FieldSpec::required("cluster", Type::Reference("database".into()), "the cluster");
    let member = || FieldSpec::required("member", Type::Identifier, "the member");
    let roles = || {
        vec![
            FieldSpec::required("primary", Type::Identifier, "the primary"),
            FieldSpec::required("standby", Type::Identifier, "the standby"),
            FieldSpec::required("primaries", Type::Integer, "how many primaries there are"),
            FieldSpec::required("timeline", Type::Integer, "the timeline"),
            FieldSpec::optional("lag_bytes", Type::Size, "the lag").volatile(),
        ]
    };
    let database = Some("database/{cluster}");
    let position = || FieldSpec::required("position", Type::String, "the position");
    let list = vec![
        spec("postgres.status", Effect::Read, vec![cluster()], roles()),
        ActionSpec {
            resource: database,
            ..spec("postgres.fence", Effect::Idempotent, vec![cluster(), member()], vec![position()])
        },
        spec("postgres.catch_up", Effect::Read, vec![cluster(), member(), position()], Vec::new()),
        ActionSpec {
            facts: roles(),
            resource: database,
            undo: UndoSpec::Impossible("a new timeline has begun"),
            ..spec("postgres.promote", Effect::Probed, vec![cluster(), member()], Vec::new())
        },
        spec(
            "haproxy.server_state",
            Effect::Idempotent,
            vec![
                FieldSpec::required("proxy", Type::Reference("proxy".into()), "the proxy"),
                FieldSpec::required("server", Type::Identifier, "the server"),
                FieldSpec::required("state", Type::Choice(vec!["ready".into(), "drain".into()]), "the state"),
                FieldSpec::optional("wait", Type::Duration, "how long to wait").or(json!(5.0)),
            ],
            Vec::new(),
        ),
        spec("shell", Effect::Once, command_inputs(), Vec::new()),
        spec(
            "http",
            Effect::Once,
            vec![FieldSpec::required("url", Type::String, "the url"), FieldSpec::optional("method", Type::String, "")],
            Vec::new(),
        ),
        spec("ssh", Effect::Once, command_inputs(), Vec::new()),
    ];
    Specs::of(&list)
}

fn command_inputs() -> Vec<FieldSpec> {
    vec![
        FieldSpec::optional("script", Type::String, "the script"),
        FieldSpec::optional("argv", Type::List(Box::new(Type::String)), "the command"),
        FieldSpec::optional("environment", Type::Any, "the environment"),
        FieldSpec::optional("host", Type::Reference("host".into()), "the host"),
    ]
}

pub(super) fn read(text: &str) -> Loaded {
    load(&Source::new("x.yaml", text), &specs())
}

/// Reads a playbook that must be without a fault.
fn good(text: &str) -> Playbook {
    let loaded = read(text);
    let faults: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(faults, Vec::<String>::new());
    loaded.playbook.expect("there were no faults")
}

/// The faults as `LINE:COLUMN CODE`.
fn faults(text: &str) -> Vec<String> {
    let show = |fault: &crate::diagnostic::Diagnostic| {
        let (line, column) = fault.source.position(fault.span.start);
        format!("{line}:{column} {}", fault.code)
    };
    read(text).diagnostics.iter().map(show).collect()
}

/// A playbook of one head and the given steps.
fn steps(steps: &str) -> String {
    format!(
        "name: x\nversion: 1.0.0\ninputs:\n  text: {{ type: string, default: a }}\n  mode: {{ type: choice, options: [planned, unplanned], default: planned }}\n  limit: {{ type: size, default: 1MiB }}\nsteps:\n  - {{ id: use, run: \"echo {{{{inputs.mode}}}} {{{{inputs.limit}}}}\", env: {{ T: \"{{{{inputs.text}}}}\" }}, effect: read }}\n{steps}"
    )
}

const FAILOVER: &str = include_str!("../../fixtures/good/db-failover.yaml");

#[test]
fn the_failover_playbook_is_read() {
    let playbook = good(FAILOVER);
    assert_eq!(playbook.name, "db-failover");
    assert_eq!(playbook.recovery_time, Some(180.0));
    assert_eq!(playbook.symptoms, ["primary database down", "数据库无法连接"]);
    assert_eq!(playbook.inputs[2].default, Some(json!(1_048_576)));
    let step = |id: &str| playbook.step(&id.parse().unwrap()).unwrap();
    assert_eq!(step("roles").effect, Effect::Read);
    assert_eq!(step("roles").require.len(), 2);
    assert_eq!(step("roles").rollback, Rollback::None { because: "it changes nothing".into() });
    assert_eq!(step("hold").rollback, Rollback::Action);
    assert_eq!(step("hold").service, Some(Service::Down));
    assert_eq!(step("hold").arguments[2], ("state".into(), Argument::Literal(json!("drain"))));
    assert_eq!(step("catch_up").timeout, 20.0);
    assert_eq!(step("fence").timeout, 33.0);
    assert!(step("promote").point_of_no_return);
    assert_eq!(step("promote").rollback, Rollback::None { because: "a new timeline has begun".into() });
    assert_eq!(step("promote").verify[0].within, 10.0);
    assert_eq!(step("repoint").on_failure, Some(OnFailure::Pause));
    assert_eq!(step("repoint").checkpoint.as_deref(), Some("traffic_on_new_primary"));
    let text = serde_json::to_string(&playbook).unwrap();
    assert_eq!(serde_json::from_str::<Playbook>(&text).unwrap(), playbook, "it is kept in the journal");
}

#[test]
fn commands_become_actions() {
    let playbook = good(&steps(
        "  - id: a
    name: Count
    host: db1
    become: postgres
    run: |
      echo $A
    env: { A: no, B: 1.10, C: \"{{inputs.text}}\" }
    effect: idempotent
    rollback:
      - { run: echo undo, effect: idempotent }
      - { id: second, argv: [rm, \"{{inputs.text}}\"], effect: idempotent }
    outputs:
      lag: { regex: 'lag=(\\d+)', type: integer }
    verify: \"outputs.lag < 5 && outputs.exit_code == 0\"
  - id: b
    argv: [touch, x]
    probe: { run: test -e x, took_effect: outputs.exit_code == 0, did_not: outputs.exit_code == 1, ok_if: outputs.exit_code < 2 }
    rollback: none
    because: a file more does no harm
    retry: { attempts: 3, delay: 500ms }
    if: steps.a.outputs.lag > 2
  - { id: c, run: rm -f x, rollback: { none: it is away }, needs: a, settle: 3s }
",
    ));
    let a = &playbook.steps[1];
    assert_eq!((a.action.as_str(), a.title.as_str(), a.effect), ("ssh", "Count", Effect::Idempotent));
    let names: Vec<&str> = a.arguments.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["script", "become", "environment", "host"]);
    assert_eq!(a.arguments[0].1, Argument::Literal(json!("echo $A\n")));
    let Argument::Map(environment) = &a.arguments[2].1 else { panic!("a map") };
    assert_eq!(environment[0].1, Argument::Literal(json!("no")));
    assert_eq!(environment[1].1, Argument::Literal(json!("1.10")));
    let Rollback::Steps(undo) = &a.rollback else { panic!("steps") };
    assert_eq!(undo.iter().map(|step| step.id.as_str()).collect::<Vec<_>>(), ["a_undo_0", "second"]);
    let b = &playbook.steps[2];
    assert_eq!((b.action.as_str(), b.effect, b.retry.attempts), ("shell", Effect::Probed, 3));
    assert_eq!(
        b.arguments[0].1,
        Argument::List(vec![Argument::Literal(json!("touch")), Argument::Literal(json!("x"))])
    );
    assert_eq!(b.probe.as_ref().unwrap().step.effect, Effect::Read);
    assert_eq!(playbook.steps[3].effect, Effect::Once);
    assert_eq!(playbook.steps[3].settle, 3.0);
}

#[test]
fn all_faults_are_found_at_their_places() {
    assert_eq!(
        faults(
            "name: X\nversion: one\nstepz: []\nsteps:\n  - { id: A, run: x, effect: red }\n  - { id: b, uses: nothing, tiemout: 5 }\n"
        ),
        [
            "1:7 bad-name",
            "2:10 bad-version",
            "3:1 unknown-key",
            "5:11 bad-name",
            "5:30 unknown-word",
            "6:20 unknown-action",
            "6:29 unknown-key"
        ]
    );
}

/// What is wrong with one more step, and at which column of its first line.
fn fault_of(step: &str) -> String {
    let found = faults(&steps(&format!("  - {step}\n")));
    found.join(", ").replace("9:", "")
}

#[test]
fn names_and_types_are_checked() {
    for (step, fault) in [
        ("{ id: a, uses: postgres.status, with: { cluster: x }, require: outputs.primary == 1 }", "68 type-mismatch"),
        ("{ id: a, uses: postgres.status, with: { cluster: x }, require: outputs.primry == 'a' }", "68 unknown-output"),
        ("{ id: a, uses: postgres.status, with: { clustre: x } }", "20 missing-argument, 45 unknown-argument"),
        ("{ id: a, uses: postgres.status, with: { cluster: \"{{inputs.nope}}\" } }", "57 unknown-input"),
        ("{ id: a, uses: postgres.status, with: { cluster: \"{{steps.a.outputs.x}}\" } }", "57 later-step"),
        ("{ id: a, uses: postgres.status, with: { cluster: \"{{steps.zz.outputs.x}}\" } }", "57 unknown-step"),
        ("{ id: a, run: x, effect: read, if: \"inputs.mode == 'planed'\" }", "57 not-an-option"),
        ("{ id: a, run: x, effect: read, if: \"inputs.limit > '1MiB'\" }", "41 type-mismatch"),
        ("{ id: a, run: x, effect: read, if: inputs.text }", "40 not-a-condition"),
        ("{ id: a, run: x, effect: read, if: \"inputs.text && true\" }", "41 not-a-condition"),
        ("{ id: a, run: x, effect: read, if: \"inputs.text ==\" }", "55 bad-expression"),
        ("{ id: a, run: x, effect: read, if: sise(inputs.text) > 1 }", "40 unknown-function"),
        ("{ id: a, run: x, effect: read, if: outputs.stdout == '' }", "40 not-here"),
        ("{ id: a, run: x, rollback: none, because: y, require: outputs.stdout == '' }", "59 not-here"),
        ("{ id: a, run: x, effect: read, if: mode == 'planned' }", "40 unknown-name"),
        ("{ id: a, run: \"echo {{inputs.text}}\", effect: read }", "27 spliced-value"),
        ("{ id: a, run: \"echo {{run.incident}}\", effect: read }", "27 spliced-value"),
        ("{ id: a, run: \"echo {{inputs.text\", effect: read }", "19 bad-template"),
        ("{ id: a, run: x, shell: \"{{inputs.text}}\", effect: read }", "32 spliced-value"),
        ("{ id: a, argv: [/bin/sh, -ec, \"echo {{inputs.text}}\"], effect: read }", "43 spliced-value"),
        ("{ id: a, argv: [grep, -c, \"{{inputs.text}}\"], effect: read }", ""),
        ("{ id: a, uses: http, with: { url: \"http://x/{{inputs.text}}\" } }", ""),
        ("{ id: a, uses: http, with: { url: x, method: POST } }", "20 no-rollback"),
        ("{ id: a, argv: [echo, \"{{inputs.nope}}\"], effect: read }", "30 unknown-input"),
        ("{ id: a, run: x }", "19 no-rollback"),
        ("{ id: a, run: x, rollback: none }", "32 missing-key"),
        ("{ id: a, run: x, rollback: [{ run: y }] }", "33 rollback-not-repeatable"),
        ("{ id: a, run: x, effect: probed, rollback: none, because: y }", "30 missing-probe"),
        (
            "{ id: a, run: x, point_of_no_return: true, rollback: [{ run: y, effect: idempotent }] }",
            "58 undo-of-no-return",
        ),
        ("{ id: a, run: x, effect: read, needs: [b] }", "44 unknown-step"),
        ("{ id: a, run: x, effect: read, on_failure: { step: use } }", "48 earlier-step"),
        ("{ id: a, run: x, effect: read, on_failure: { rollback_to: x } }", "48 unknown-checkpoint"),
        ("{ id: a, run: x, effect: read, on_failure: stop }", "48 unknown-word"),
        ("{ id: a, run: x, uses: shell, effect: read }", "5 two-actions"),
        ("{ id: a, effect: read }", "5 no-action"),
        ("{ id: use, run: x, effect: read }", "11 duplicate-step"),
        ("{ id: a, uses: postgres.status, with: { cluster: x }, effect: read }", "67 effect-fixed"),
        ("{ id: a, run: x, effect: read, timeout: 5 }", "45 wrong-type"),
        ("{ id: a, run: x, effect: read, retry: { attempts: 0 } }", "55 out-of-range"),
        ("{ id: a, run: x, effect: read, outputs: { n: { regex: 'a' } } }", "59 bad-pattern"),
        ("{ id: a, run: x, effect: read, sensitive: true }", "36 not-yet"),
        (
            "{ id: a, uses: postgres.catch_up, with: { cluster: x, member: a, position: \"{{inputs.limit}}\" } }",
            "80 wrong-type",
        ),
        ("{ id: a, uses: postgres.fence, with: { cluster: x, member: a } }", "11 missing-lock"),
    ] {
        if fault_of(step) != fault {
            println!("{step}\n   want {fault} got {}", fault_of(step));
        }
    }
}

#[test]
fn the_words_of_other_tools_are_met() {
    let help = |key: &str| {
        let loaded = read(&steps(&format!("  - {{ id: a, run: x, effect: read, {key}: x }}\n")));
        loaded.diagnostics[0].help.clone().unwrap()
    };
    assert_eq!(help("when"), "here it is called `if`");
    assert_eq!(help("register"), "here it is called `outputs`");
    assert_eq!(help("continue-on-error"), "here it is called `on_failure: continue`");
    assert_eq!(help("ignore_errors"), "here it is called `on_failure: continue`");
    assert_eq!(help("depends_on"), "here it is called `needs`");
    assert_eq!(help("cmd"), "here it is called run (a script) or argv (a list)");
    assert_eq!(help("retrys"), "did you mean `retry`?");
}

#[test]
fn the_point_of_no_return_is_not_crossed_backwards() {
    let playbook = |to: &str| {
        steps(&format!(
            "  - {{ id: a, run: x, effect: read, checkpoint: before }}
  - {{ id: gate, run: x, point_of_no_return: true, checkpoint: behind }}
  - {{ id: b, run: x, effect: read, on_failure: {to} }}
"
        ))
    };
    assert_eq!(faults(&playbook("{ rollback_to: before }")), ["11:48 crosses-no-return"]);
    assert_eq!(faults(&playbook("{ rollback_to: behind }")), Vec::<String>::new());
    assert_eq!(faults(&playbook("rollback")), Vec::<String>::new());
}

#[test]
fn a_step_that_may_be_skipped_needs_a_guard() {
    let playbook = |second: &str| {
        faults(&steps(&format!("  - {{ id: a, run: x, effect: read, if: inputs.mode == 'planned' }}\n  - {second}\n")))
    };
    let use_it = "{ id: b, argv: [echo, \"{{steps.a.outputs.stdout}}\"], effect: read";
    assert_eq!(playbook(&format!("{use_it} }}")), ["10:30 may-be-skipped"]);
    assert_eq!(playbook(&format!("{use_it}, needs: a }}")), Vec::<String>::new());
    assert_eq!(playbook(&format!("{use_it}, if: inputs.mode == 'planned' }}")), Vec::<String>::new());
    assert_eq!(playbook(&format!("{use_it}, if: steps.a.outcome == 'done' }}")), Vec::<String>::new());
    let with_default = "{ id: b, argv: [echo, \"{{default steps.a.outputs.stdout 'x'}}\"], effect: read }";
    assert_eq!(playbook(with_default), Vec::<String>::new());
}

#[test]
fn an_unused_input_is_a_warning() {
    let loaded =
        read("name: x\nversion: 1.0\ninputs: { a: { type: string } }\nsteps: [{ id: a, run: x, effect: read }]\n");
    assert!(loaded.playbook.is_some());
    assert_eq!(loaded.diagnostics[0].code, "unused-input");
    assert_eq!(loaded.diagnostics[0].severity, Severity::Warning);
}

/// Each file under `fixtures/bad` says in its first line what is to be said about it.
#[test]
fn the_bad_documents_are_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/bad");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text.lines().next().unwrap().strip_prefix("# expect: ").unwrap();
        // A second word says that the form alone is wrong, so that the schema refuses it too.
        let expected = expected.split(' ').next().unwrap().to_owned();
        let loaded = read(&text);
        let codes: Vec<&str> = loaded.diagnostics.iter().map(|fault| fault.code).collect();
        assert!(codes.contains(&expected.as_str()), "{}: {codes:?}", path.display());
        let fault = loaded.diagnostics.iter().find(|fault| fault.code == expected).unwrap();
        assert_eq!(fault.severity == Severity::Error, loaded.playbook.is_none(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 25, "{count} files");
}

#[test]
fn a_text_that_is_all_faults_is_given_up_soon() {
    let keys: String = (0..5_000).map(|number| format!("key{number}:\n")).collect();
    assert!(faults(&keys).len() <= 201);
    let many: String = (0..6_000).map(|number| format!("- {{ id: a{number}, run: x }}\n")).collect();
    assert_eq!(faults(&format!("name: x\nversion: 1\nsteps:\n{many}")), ["4:3 too-many-steps"]);
}

mod survival {
    use super::*;
    use proptest::prelude::*;

    fn floor(mut byte: usize) -> usize {
        while !FAILOVER.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(crate::fuzz_cases(256)))]

        #[test]
        fn a_broken_playbook_is_survived(at in 0..FAILOVER.len(), cut in 0..30_usize, put in "[-:{}\\[\\]&*!|>'\"#\n ü.a0]{0,4}") {
            let start = floor(at);
            let end = floor((at + cut).min(FAILOVER.len()).max(start));
            let text = format!("{}{put}{}", &FAILOVER[..start], &FAILOVER[end..]);
            let loaded = read(&text);
            for fault in &loaded.diagnostics {
                prop_assert!(text.get(fault.span.start..fault.span.end).is_some(), "{}", fault);
            }
            let refused = loaded.diagnostics.iter().any(|fault| fault.severity == Severity::Error);
            prop_assert_eq!(refused, loaded.playbook.is_none());
        }
    }
}
