//! What a journey must not tell: the values that it took out of answers, and its cookies. They are taken out of its own report
//! alone. They must never become known to the rest of the runner: a target chooses them (a proxy's cookie is a server's name),
//! and what it chooses would then be taken out of the outputs of other steps, which would go on with `***` instead.

use std::collections::VecDeque;

use crate::inventory::Masker;
use crate::value::Value;

/// The cookies that are remembered: how many, and how long all of them are together. A flood only pushes out its own.
const MOST: usize = 100;
const LONGEST: usize = 32 * 1024;
/// A shorter one is no secret, and would take away half of every sentence.
const LEAST: usize = 4;

/// What is not told.
#[derive(Default)]
pub(super) struct Hidden {
    taken: Vec<String>,
    cookies: VecDeque<String>,
    length: usize,
}

impl Hidden {
    /// A value that the playbook takes.
    pub(super) fn take(&mut self, value: &Value) {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return,
        };
        if text.len() >= LEAST {
            self.taken.push(text);
        }
    }

    /// A cookie's value.
    pub(super) fn cookie(&mut self, value: String) {
        if value.len() < LEAST || self.cookies.contains(&value) {
            return;
        }
        self.length += value.len();
        self.cookies.push_back(value);
        while self.cookies.len() > MOST || self.length > LONGEST {
            self.length -= self.cookies.pop_front().map_or(self.length, |old| old.len());
        }
    }

    /// A text of an answer for a person: without any of them, and cut only then, as half of one is not found any more.
    pub(super) fn quote(&self, text: &str) -> String {
        let values = self.taken.iter().chain(&self.cookies).map(String::as_str);
        super::super::plain(&Masker::of_texts(values).text(text), 120)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_quoted_is_masked_before_it_is_cut() {
        let mut hidden = Hidden::default();
        hidden.take(&json!("canary-4f1d2b97"));
        hidden.take(&json!(4_815_162_342_u64));
        hidden.cookie("sid/secret=1".to_owned());
        hidden.cookie("en".to_owned());
        assert_eq!(hidden.quote("a canary-4f1d2b97 4815162342 sid\\/secret=1 en"), "a *** *** *** en");
        let long = format!("{} canary-4f1d2b97", "x".repeat(110));
        assert!(!hidden.quote(&long).contains("can"), "{}", hidden.quote(&long));
        assert_eq!(hidden.quote("a\u{1b}[2J\u{202e}b\r"), "a\u{fffd}[2J\u{fffd}b\u{fffd}");
    }

    #[test]
    fn a_flood_of_cookies_pushes_out_its_own_alone() {
        let mut hidden = Hidden::default();
        hidden.take(&json!("canary-4f1d2b97"));
        (0..1000).for_each(|n| hidden.cookie(format!("{n}{}", "x".repeat(4000))));
        assert!(hidden.length <= LONGEST && hidden.cookies.len() <= MOST);
        assert_eq!(hidden.quote("canary-4f1d2b97"), "***");
    }
}
