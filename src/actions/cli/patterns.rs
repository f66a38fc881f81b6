//! How a device's prompt, its pager, its questions and its refusals are recognised. It only looks at lines.

use std::sync::LazyLock;

use regex::Regex;

/// `r1#`, `r1>`, `r1(config-router)#`, `admin@r1>`, `RP/0/RSP0/CPU0:r1(config)#`, `<r1>`, `[~r1-bgp]`, `[admin@r1] >`.
pub(super) const PROMPT: &str =
    r"^[\[<]?[*~]?(?P<name>[A-Za-z0-9][A-Za-z0-9._:/@-]*)(?:[\[(][A-Za-z0-9._/:@, *~-]*[\])])*(?:\s*[#>$%\]]){1,2}$";

/// What a device says when it does not take a line. Most say so and go on: nothing else tells.
pub(super) const FAIL_ON: [&str; 6] = [
    r"(?i)^\s*%\s*(invalid|unknown|unrecognized|ambiguous|incomplete|command incomplete|error|failed|bad |cannot|can't|can not|could not|specify |there is no|no such|not |permission|authorization|access denied|configuration failed|malformed)",
    r"(?i)^\s*(error|fatal|failure)\b\s*:",
    r"(?i)^\s*(syntax error|unknown command|invalid (input|command|value)|missing argument|command not found)",
    r"(?i)^\s*(commit failed|configuration check-out failed)",
    r"(?i)^BGP is already running|^BGP instance name and AS number mismatch",
    r"^\s*\^\s*$",
];

static PAGER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let stops =
        r"(?i)(?:<?-{1,4}\s*\(?more\b.{0,70}|lines \d+-\d+.{0,40}|press (?:any|space|<space>|the space).{0,60})$";
    Regex::new(stops).ok()
});
static QUESTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let asks = r"(?i)(?:[\[(](?:y/?n|yes/no|yes,no|confirm|n/y|no/yes)\b.{0,20}|password.{0,40}:|passphrase.{0,40}:|\?\s*(?:[\[(].{0,30}[\])])?\s*:?)$";
    Regex::new(asks).ok()
});

/// What one conversation goes by.
#[derive(Debug, Clone)]
pub(super) struct Patterns {
    prompt: Regex,
    /// Whether the prompt is the built-in one: then its name has to stay what it was.
    usual: bool,
    fail_on: Vec<Regex>,
}

impl Patterns {
    /// # Errors
    /// A pattern that is no regular expression.
    pub(super) fn of(prompt: Option<&str>, fail_on: &[String]) -> Result<Self, String> {
        Ok(Self {
            prompt: regex("prompt", prompt.unwrap_or(PROMPT))?,
            usual: prompt.is_none(),
            fail_on: fail_on.iter().map(|text| regex("fail_on", text)).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a line is the prompt: with the name that it had first, where that is known.
    pub(super) fn is_prompt(&self, line: &str, name: Option<&str>) -> bool {
        match name.filter(|_| self.usual) {
            None => self.prompt.is_match(line),
            Some(name) => self.name(line).is_some_and(|now| now.starts_with(name)),
        }
    }

    /// The device's name in its prompt.
    pub(super) fn name<'l>(&self, line: &'l str) -> Option<&'l str> {
        Some(self.prompt.captures(line)?.name("name")?.as_str())
    }

    /// Whether a line says that the device did not take what it was sent.
    pub(super) fn refuses(&self, line: &str) -> bool {
        self.fail_on.iter().any(|pattern| pattern.is_match(line))
    }
}

/// The key that a pager waits for, if one stands there: a blank for the next page; `less` stays at the end until it is left.
pub(super) fn pager_key(line: &str) -> Option<&'static str> {
    if line.ends_with("(END)") {
        return Some("q");
    }
    let stops = line == ":" || PAGER.as_ref().is_some_and(|pattern| pattern.is_match(line));
    stops.then_some(" ")
}

/// Whether a question stands there and waits for an answer.
pub(super) fn is_question(line: &str) -> bool {
    QUESTION.as_ref().is_some_and(|pattern| pattern.is_match(line))
}

/// A regular expression of a playbook's.
///
/// # Errors
/// What is wrong with it.
pub(super) fn regex(what: &str, text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let why = error.to_string();
        format!("`{what}`: `{text}` is no regular expression: {}", why.lines().last().unwrap_or_default().trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Patterns {
        Patterns::of(None, &FAIL_ON.map(str::to_owned)).unwrap()
    }

    #[test]
    fn prompts_of_many_makers() {
        let patterns = usual();
        for (prompt, name) in [
            ("r1#", "r1"),
            ("r1>", "r1"),
            ("r1(config)#", "r1"),
            ("r1(config-router-af)#", "r1"),
            ("admin@mx1>", "admin@mx1"),
            ("admin@mx1#", "admin@mx1"),
            ("RP/0/RSP0/CPU0:xr1(config)#", "RP/0/RSP0/CPU0:xr1"),
            ("<core-1>", "core-1"),
            ("[~core-1-bgp]", "core-1-bgp"),
            ("[admin@MikroTik] >", "admin@MikroTik"),
            ("A:admin@sr1#", "A:admin@sr1"),
            ("FGT60 #", "FGT60"),
        ] {
            assert_eq!(patterns.name(prompt), Some(name), "{prompt}");
            assert!(patterns.is_prompt(prompt, None), "{prompt}");
        }
        for none in ["", "!", "% Unknown command", "Password:", "10.0.0.1 4 65002 #3 a", "-- more --"] {
            assert!(!patterns.is_prompt(none, None), "{none}");
        }
    }

    #[test]
    fn a_line_that_only_looks_like_a_prompt_has_another_name() {
        let patterns = usual();
        assert!(patterns.is_prompt("r1(config)#", Some("r1")));
        assert!(patterns.is_prompt("[r1-bgp]", Some("r1")));
        assert!(!patterns.is_prompt("banner#", Some("r1")));
        let own = Patterns::of(Some("^ready$"), &[]).unwrap();
        assert!(own.is_prompt("ready", Some("r1")) && !own.is_prompt("r1#", None));
    }

    #[test]
    fn refusals_of_many_makers() {
        let patterns = usual();
        for bad in [
            "% Invalid input detected at '^' marker.",
            "% Unknown command: foo",
            "% Ambiguous command.",
            "% Command incomplete: neighbor",
            "% Specify remote-as or peer-group commands first",
            "%Error: no such interface",
            "Error: Unrecognized command found at '^' position.",
            "          ^",
            "syntax error.",
            "unknown command.",
            "error: configuration check-out failed",
            "BGP is already running; AS is 65001",
        ] {
            assert!(patterns.refuses(bad), "{bad}");
        }
        for good in [
            "",
            "% Network not in table",
            "no errors",
            "%SYS-5-CONFIG_I: Configured from console",
            "Errors: 0",
            " neighbor 10.0.0.2 shutdown",
        ] {
            assert!(!patterns.refuses(good), "{good}");
        }
    }

    #[test]
    fn pagers_and_questions() {
        for pager in [
            "--More--",
            " --More-- or (q)uit",
            "---(more 12%)---",
            "<--- More --->",
            "-- MORE --, next page: Space, next line: Enter, quit: Control-C",
            "lines 1-23",
            ":",
            "Press any key to continue (Q to quit)",
        ] {
            assert_eq!(pager_key(pager), Some(" "), "{pager}");
        }
        assert_eq!(pager_key("(END)"), Some("q"));
        assert_eq!((pager_key("more than one path"), pager_key("r1#")), (None, None));
        for question in ["Proceed with reload? [confirm]", "Continue? (y/n)", "Are you sure? [yes/no]:", "Password:"] {
            assert!(is_question(question), "{question}");
        }
        assert!(!is_question("r1#") && !is_question("BGP table version is 3"));
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let error = Patterns::of(Some("("), &[]).unwrap_err();
        assert!(error.contains("`prompt`") && error.contains("`(`"), "{error}");
    }
}
