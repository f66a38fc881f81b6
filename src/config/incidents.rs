//! The settings of incidents: how severe one is, and who owns it. What they mean is said in `docs/configuration.md`; nothing
//! is classified here.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::Config;

/// How severe an incident is. The first is the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Everything else waits.
    P0,
    /// At once, also at night.
    P1,
    /// Today.
    P2,
    /// In its turn.
    P3,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::P0, Self::P1, Self::P2, Self::P3];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::P0 => "P0",
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|severity| severity.word().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| format!("`{text}` is no severity: there are P0 (the worst), P1, P2 and P3"))
    }
}

/// How far an incident reaches, or how little time it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The most.
    High,
    /// Between the two.
    Medium,
    /// The least.
    Low,
}

impl Level {
    /// All of them, the most first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|level| level.word().eq_ignore_ascii_case(text.trim()));
        found.ok_or_else(|| format!("`{text}` is none of high, medium and low"))
    }
}

/// How incidents are classified, and who owns a new one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentSettings {
    /// What impact and urgency come to.
    pub matrix: Matrix,
    /// What an incident's labels come to; the first that fits wins, and goes before the matrix.
    pub rules: Vec<SeverityRule>,
    /// Who owns an incident of which nobody says who does.
    pub owner: Option<String>,
}

/// The severity of each impact, by urgency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// A high impact.
    pub high: Row,
    /// A medium one.
    pub medium: Row,
    /// A low one.
    pub low: Row,
}

/// The severities of one impact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// With a high urgency.
    pub high: Severity,
    /// With a medium one.
    pub medium: Severity,
    /// With a low one.
    pub low: Severity,
}

impl Default for Matrix {
    /// ITIL's priorities 1 to 5, of which the last two are P3.
    fn default() -> Self {
        use Severity::{P0, P1, P2, P3};
        Self {
            high: Row { high: P0, medium: P1, low: P2 },
            medium: Row { high: P1, medium: P2, low: P3 },
            low: Row { high: P2, medium: P3, low: P3 },
        }
    }
}

impl Matrix {
    /// What an impact and an urgency come to.
    pub fn severity(&self, impact: Level, urgency: Level) -> Severity {
        let row = match impact {
            Level::High => &self.high,
            Level::Medium => &self.medium,
            Level::Low => &self.low,
        };
        match urgency {
            Level::High => row.high,
            Level::Medium => row.medium,
            Level::Low => row.low,
        }
    }
}

/// What labels come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityRule {
    /// What each of these labels has to be: a text, or `/…/` for a regular expression.
    #[serde(rename = "match")]
    pub labels: BTreeMap<String, String>,
    /// How severe an incident with such labels is.
    pub severity: Severity,
}

impl SeverityRule {
    /// Whether labels are such. One that is not there fits nothing.
    pub fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(name, wanted)| labels.get(name).is_some_and(|value| label_fits(wanted, value)))
    }
}

/// Whether a label's value is the one that is wanted.
pub fn label_fits(wanted: &str, value: &str) -> bool {
    match expression(wanted) {
        // One that cannot be read was refused when the configuration was.
        Some(pattern) => Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(value)),
        None => wanted == value,
    }
}

/// What stands between the strokes of `/…/`.
pub(super) fn expression(wanted: &str) -> Option<&str> {
    wanted.strip_prefix('/')?.strip_suffix('/')
}

/// What is wrong with a label that is written as `triggers` have it: taken by its letters it would fit nothing, and nobody would
/// be told.
fn of_triggers(name: &str, wanted: &str) -> Option<String> {
    let right = match (wanted.strip_prefix("=~"), wanted.starts_with("!~") || wanted.starts_with("!=")) {
        (Some(pattern), _) => format!("write `{name}: /^({pattern})$/`"),
        (None, true) => "a rule cannot say what a label is not: put the rule for what it is before this one".to_owned(),
        (None, false) => return None,
    };
    Some(format!("`incidents.rules`: `{name}: {wanted}` is the form of `triggers`; here {right}"))
}

/// What is wrong with these settings.
pub(super) fn problem_of(config: &Config) -> Option<String> {
    let settings = &config.incidents;
    if settings.owner.as_ref().is_some_and(|owner| owner.trim().is_empty()) {
        return Some("`incidents.owner` is an empty text; leave it out where nobody owns a new incident".to_owned());
    }
    settings.rules.iter().find_map(|rule| {
        if rule.labels.is_empty() {
            let severity = rule.severity;
            return Some(format!(
                "`incidents.rules`: a rule for {severity} has an empty `match`, so every incident would be {severity}; write \
                 the `matrix` for that"
            ));
        }
        if let Some(other) = rule.labels.iter().find_map(|(name, wanted)| of_triggers(name, wanted)) {
            return Some(other);
        }
        rule.labels.iter().find_map(|(name, wanted)| {
            let error = Regex::new(expression(wanted)?).err()?;
            // The whole of it draws a picture over several lines.
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Some(format!("`incidents.rules`: `{name}: {wanted}` is no regular expression: {why}"))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_gets_no_milder_with_more_of_either() {
        let matrix = Matrix::default();
        for (one, worse) in [(Level::Low, Level::Medium), (Level::Medium, Level::High)] {
            for other in Level::ALL {
                assert!(matrix.severity(worse, other) <= matrix.severity(one, other));
                assert!(matrix.severity(other, worse) <= matrix.severity(other, one));
            }
        }
        assert_eq!(matrix.severity(Level::High, Level::High), Severity::P0);
        assert_eq!(matrix.severity(Level::High, Level::Low), Severity::P2);
        assert_eq!(matrix.severity(Level::Low, Level::Low), Severity::P3);
    }

    #[test]
    fn a_label_is_a_text_or_an_expression() {
        assert!(label_fits("orders", "orders"));
        assert!(!label_fits("orders", "orders-2"));
        assert!(label_fits("/^orders/", "orders-2"));
        assert!(!label_fits("/^orders$/", "orders-2"));
        assert!(label_fits("/", "/"), "a single stroke is a text");
        assert!(label_fits("//", "anything"));
    }

    #[test]
    fn the_form_of_triggers_is_refused_with_the_right_one() {
        let problem = |wanted: &str| {
            let labels = [("service".to_owned(), wanted.to_owned())].into();
            let rules = vec![SeverityRule { labels, severity: Severity::P0 }];
            let incidents = IncidentSettings { rules, ..IncidentSettings::default() };
            problem_of(&Config { incidents, ..Config::default() })
        };
        assert!(problem("=~pay|orders").unwrap().contains("write `service: /^(pay|orders)$/`"));
        assert!(label_fits("/^(pay|orders)$/", "orders") && !label_fits("/^(pay|orders)$/", "orders-2"));
        for negative in ["!=orders", "!~orders.*"] {
            assert!(problem(negative).unwrap().contains("before this one"), "{negative}");
        }
        assert_eq!(problem("/^orders/").or(problem("orders")).or(problem("=1")), None);
    }

    #[test]
    fn the_words_are_read_back() {
        for severity in Severity::ALL {
            assert_eq!(severity.word().to_lowercase().parse(), Ok(severity));
        }
        for level in Level::ALL {
            assert_eq!(level.word().parse(), Ok(level));
        }
        assert!("P4".parse::<Severity>().unwrap_err().contains("P0"));
        assert!("".parse::<Level>().is_err());
    }
}
