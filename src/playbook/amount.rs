//! How much of something: a number of items, or a share of them, possibly told by an input. It is read, written and worked
//! out here; what becomes of it is decided where the items are known.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::reader::Reader;
use super::{Scope, Template, render, template};
use crate::document::{Node, NodeKind};
use crate::value::{Value, why_unknown};

/// The most of anything that a playbook may say: as many as a list may have items.
const MOST: u32 = 10_000;

/// How much of something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    /// So many items.
    Count(u32),
    /// A share of all items.
    Share(Percent),
    /// What this text comes to: a whole number, or a text such as `10%`.
    Given(Template),
}

/// A share in whole percent, from 0 to 100; written `10%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(u32);

impl Percent {
    /// A share, where there is one of so many percent.
    pub fn new(percent: u32) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// So much of a number, rounded down.
    pub fn down(self, of: u32) -> u32 {
        self.exact(of).0
    }

    /// So much of a number, rounded up.
    pub fn up(self, of: u32) -> u32 {
        let (whole, rest) = self.exact(of);
        whole + u32::from(rest > 0)
    }

    fn exact(self, of: u32) -> (u32, u64) {
        let product = u64::from(of) * u64::from(self.0);
        // Never more than the number itself, so that it fits.
        (u32::try_from(product / 100).unwrap_or(of), product % 100)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl From<Percent> for String {
    fn from(percent: Percent) -> Self {
        percent.to_string()
    }
}

impl TryFrom<String> for Percent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.trim().strip_suffix('%').map(str::trim_end);
        let percent = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let percent = percent.and_then(|digits| digits.parse().ok()).and_then(Self::new);
        percent.ok_or_else(|| format!("`{text}` is no share in whole percent, such as `10%`"))
    }
}

impl Amount {
    /// An amount from its text: a whole number, or a share such as `10%`.
    ///
    /// # Errors
    /// What is wrong with the text, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains('%') {
            return Percent::try_from(text.to_owned()).map(Amount::Share);
        }
        match text.trim().parse::<u32>() {
            Ok(count) if count <= MOST => Ok(Amount::Count(count)),
            _ => Err(format!("a whole number up to {MOST} or a share such as `10%` is wanted, not `{text}`")),
        }
    }

    /// The amount itself, where it is told by a text with `{{…}}` in it; nothing where that is not known yet.
    ///
    /// # Errors
    /// When the text cannot be filled, or comes to something else.
    pub fn known(&self, scope: &Scope) -> Result<Option<Self>, String> {
        let Amount::Given(template) = self else { return Ok(Some(self.clone())) };
        let value = render(template, scope).map_err(|error| error.to_string())?;
        if why_unknown(&value).is_some() {
            return Ok(None);
        }
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self::parse(&text).map(Some).map_err(|message| format!("`{}`: {message}", template.source))
    }

    /// So much of so many, rounded down; nothing where it is told by a text.
    pub fn down(&self, of: u32) -> Option<u32> {
        match self {
            Amount::Count(count) => Some(*count),
            Amount::Share(percent) => Some(percent.down(of)),
            Amount::Given(_) => None,
        }
    }

    /// The same, rounded up.
    pub fn up(&self, of: u32) -> Option<u32> {
        match self {
            Amount::Count(count) => Some(*count),
            Amount::Share(percent) => Some(percent.up(of)),
            Amount::Given(_) => None,
        }
    }

    /// Whether it is nothing, as it is written.
    pub fn is_zero(&self) -> bool {
        matches!(self, Amount::Count(0) | Amount::Share(Percent(0)))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Share(percent) => write!(f, "{percent}"),
            Amount::Given(template) => f.write_str(&template.source),
        }
    }
}

/// An amount as it is written; `least` is the smallest number that makes sense.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, what: &str, least: u32) -> Option<Amount> {
    let text = match &node.kind {
        NodeKind::Scalar(scalar) if !scalar.is_null() => scalar.text.clone(),
        _ => {
            reader.wrong_form(node, what, "a whole number, or a share such as `10%`");
            return None;
        }
    };
    if template::is_template(&text) {
        return reader.template(node, what).map(Amount::Given);
    }
    let wanted = format!("`{what}` is a whole number from {least} to {MOST}, or a share such as `10%`, not `{text}`");
    match Amount::parse(&text) {
        Ok(amount) if least == 0 || !amount.is_zero() => Some(amount),
        _ => {
            reader.faults.error("out-of-range", node.span, wanted, None);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_amount_is_read_as_it_is_written() {
        for text in ["0", "10", "0%", "10%", "100%"] {
            assert_eq!(Amount::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "-1", "10.5%", "101%", "%", "10 %%", "ten", "10001", "+5%", "1e3"] {
            assert!(Amount::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_is_rounded_to_the_side_that_is_asked_for_and_never_exceeds_the_whole() {
        let percent = |percent| Percent::new(percent).unwrap();
        assert_eq!((percent(10).down(25), percent(10).up(25)), (2, 3));
        assert_eq!((percent(10).down(20), percent(10).up(20)), (2, 2));
        assert_eq!((percent(100).down(7), percent(100).up(7)), (7, 7));
        assert_eq!((percent(0).down(7), percent(1).up(1)), (0, 1));
        assert_eq!(percent(100).up(u32::MAX), u32::MAX);
        assert_eq!(Percent::new(101), None);
    }

    #[test]
    fn records_of_before_hold_a_bare_number() {
        let template = Template { source: "{{inputs.size}}".to_owned(), span: Default::default() };
        for (amount, written) in [
            (Amount::Count(2), json!(2)),
            (Amount::Share(Percent(10)), json!("10%")),
            (Amount::Given(template.clone()), json!({ "source": "{{inputs.size}}", "span": template.span })),
        ] {
            assert_eq!(serde_json::to_value(&amount).unwrap(), written);
            assert_eq!(serde_json::from_value::<Amount>(written).unwrap(), amount);
        }
        assert!(serde_json::from_value::<Amount>(json!("10 of 20%")).is_err());
    }

    #[test]
    fn what_an_input_tells_is_a_number_or_a_text() {
        let given = Amount::Given(Template { source: "{{inputs.size}}".to_owned(), span: Default::default() });
        let known = |size: Value| {
            let scope = Scope { inputs: json!({ "size": size }), ..Scope::default() };
            given.known(&scope)
        };
        assert_eq!(known(json!(5)), Ok(Some(Amount::Count(5))));
        assert_eq!(known(json!("5")), Ok(Some(Amount::Count(5))));
        assert_eq!(known(json!("15%")), Ok(Some(Amount::Share(Percent(15)))));
        assert_eq!(known(crate::value::unknown("later")), Ok(None));
        for bad in [json!("many"), json!(1.5), json!(-1), Value::Null, json!([1])] {
            assert!(known(bad.clone()).is_err(), "{bad}");
        }
    }
}
