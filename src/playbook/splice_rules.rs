//! Where a value from outside may stand in what something else reads as its program: a command line, a statement, an address.
//! It decides by types alone and never looks at a value.

use super::lint::Use;
use crate::spec::Language;
use crate::value::Type;

/// Whether a value of a declared type may be put there; `first` where nothing stands before it.
pub(super) fn is_safe(place: Use<'_>, declared: Option<&Type>, first: bool) -> bool {
    match place {
        Use::Line => declared.is_some_and(Type::is_safe_in_a_line),
        // An identifier may hold `--`, which begins a comment.
        Use::Code(Language::Sql, _) => matches!(declared, Some(Type::Integer | Type::Size | Type::Choice(_))),
        // Whoever gives the beginning of an address decides where it leads anyway: the playbook asks for just that.
        Use::Code(Language::Url, _) => first || declared.is_some_and(Type::is_safe_in_a_line),
        // A time is its seconds: a number has no letter that a device reads.
        Use::Code(Language::Lines, _) => {
            declared.is_some_and(|declared| declared.is_safe_in_a_line() || *declared == Type::Duration)
        }
        Use::Code(Language::Command, _) | Use::Value(_) | Use::Text => true,
    }
}

/// What reads the place as its program, and what to write instead.
pub(super) fn reader(place: Use<'_>) -> (&'static str, &'static str) {
    match place {
        Use::Code(Language::Sql, _) => {
            ("statement", "give it apart from the statement: `parameters: [\"{{…}}\"]`, and $1 in `sql`")
        }
        Use::Code(Language::Url, _) => (
            "address",
            "give it where it is encoded: `path: [\"{{…}}\"]` behind the `url`, or `query: { name: \"{{…}}\" }`",
        ),
        Use::Code(Language::Lines, _) => (
            "line that a device reads",
            "declare it as a type of a safe alphabet: ip, cidr, integer, size, duration, choice, identifier, host",
        ),
        _ => (
            "command line",
            "give it through the environment: `env: { NAME: \"{{…}}\" }`, and \"$NAME\" in the script; or use `argv:`",
        ),
    }
}

/// The same for a computed value; nothing where one may stand there. Of an address, only what puts texts together is refused:
/// a choice between addresses is fine.
pub(super) fn reads_computed(place: Use<'_>, source: &str) -> Option<(&'static str, &'static str)> {
    match place {
        Use::Line | Use::Code(Language::Sql | Language::Lines, _) => Some(reader(place)),
        Use::Code(Language::Url, _) if source.contains('+') => Some(reader(place)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::actions::Table;
    use crate::diagnostic::Source;
    use crate::playbook::load;
    use crate::spec::Specs;

    fn faults(step: &str) -> Vec<&'static str> {
        let text = format!(
            "name: x\nversion: 1.0.0\ntitle: x\nowner: me\ninputs: {{ text: {{ type: string, default: a }}, word: {{ type: identifier, default: a }}, \
             count: {{ type: integer, default: 1 }}, host: {{ type: host, default: a }} }}\nlocks: [\"database/c\"]\nsteps:\n  - {{ id: a, {step} }}\n"
        );
        let loaded = load(&Source::new("x.yaml", text), &Specs::of(Table::builtin().specs()));
        loaded.diagnostics.iter().map(|fault| fault.code).filter(|code| *code != "unused-input").collect()
    }

    #[test]
    fn no_text_becomes_part_of_a_line_that_a_device_reads() {
        let cli = |with: &str| {
            faults(&format!(
                "uses: cli, with: {{ host: r1, {with} }}, effect: idempotent, rollback: none, because: a test"
            ))
        };
        for spliced in [
            cli("lines: [\"show {{inputs.text}}\"]"),
            cli("lines: [\"{{inputs.text}}\"]"),
            cli("lines: \"{{inputs.text}}\""),
            cli("lines: [{ expr: \"'show ' + inputs.text\" }]"),
            cli("lines: [a], look: [\"show {{inputs.text}}\"]"),
            cli("lines: [a], pager_off: [\"{{inputs.text}}\"]"),
            cli("lines: [a], auto_revert: { after: 60s, confirm: [\"{{inputs.text}}\"] }"),
            cli("lines: [a], auto_revert: { after: 60s, confirm: [b], check: { lines: [\"{{inputs.text}}\"] } }"),
        ] {
            assert!(spliced.contains(&"spliced-value"), "{spliced:?}");
        }
        for apart in [
            cli("lines: [\"neighbor {{inputs.host}} weight {{inputs.count}}\", \"{{inputs.word}}\"]"),
            cli("lines: [a], expect: [\"{{inputs.text}}\"]"),
        ] {
            assert_eq!(apart, Vec::<&str>::new());
        }
    }

    #[test]
    fn no_value_becomes_part_of_a_statement_an_address_or_a_program() {
        let query = |with: &str| faults(&format!("uses: postgres.query, with: {{ cluster: c, {with} }}"));
        let execute = |with: &str| {
            faults(&format!("uses: postgres.execute, with: {{ cluster: c, {with} }}, rollback: none, because: a test"))
        };
        let http = |with: &str| faults(&format!("uses: http, with: {{ {with} }}, effect: read"));
        let wait = |with: &str| faults(&format!("uses: wait, with: {{ {with} }}"));
        for spliced in [
            query("sql: \"select '{{inputs.text}}'\""),
            query("sql: \"{{inputs.text}}\""),
            query("sql: \"select * from {{inputs.word}}\""),
            query("sql: { expr: \"'select ' + inputs.text\" }"),
            execute("sql: \"delete from t where a = '{{inputs.text}}'\""),
            http("url: \"http://api/{{inputs.text}}\""),
            http("url: { expr: \"'http://api/' + inputs.text\" }"),
            wait("http: \"http://api/{{inputs.text}}\""),
            wait("command: [sh, -c, \"echo {{inputs.text}}\"]"),
        ] {
            assert_eq!(spliced, ["spliced-value"]);
        }
        for apart in [
            query("sql: \"select $1\", parameters: [\"{{inputs.text}}\"]"),
            query("sql: \"select {{inputs.count}}\""),
            http("url: \"{{inputs.text}}\""),
            http("url: \"{{inputs.text}}/health\""),
            http("url: \"http://{{inputs.host}}:{{inputs.count}}/{{inputs.word}}\""),
            http("url: \"http://api/v1\", path: [\"{{inputs.text}}\"], query: { q: \"{{inputs.text}}\" }"),
            http("url: { expr: \"inputs.count == 1 ? 'http://a/' : 'http://b/'\" }"),
            wait("command: [test, -e, \"{{inputs.text}}\"]"),
            wait("command: [sh, -c, 'echo \"$1\"', sh, \"{{inputs.text}}\"]"),
        ] {
            assert_eq!(apart, Vec::<&str>::new());
        }
    }
}
