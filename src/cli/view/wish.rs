//! The command with which a person runs what something else wants: what an alert's route asks for, a proposal in an incident.
//! Such text is read as no reference to a secret where it comes in, and must not become one by being pasted.

use serde_json::{Map, Value};

use crate::cli::paste::quote;
use crate::cli::text::{Ink, Line};
use crate::value::Reference;

use super::paragraph;

/// What is wanted.
pub struct Wish<'w> {
    /// Which playbook.
    pub playbook: &'w str,
    /// Which version; the newest where absent.
    pub version: Option<&'w str>,
    /// With which inputs.
    pub inputs: &'w Map<String, Value>,
    /// In which incident.
    pub incident: Option<&'w str>,
}

impl<'w> Wish<'w> {
    /// The command, without the program.
    pub fn command(&self) -> String {
        let version = self.version.map(|version| format!("@{version}")).unwrap_or_default();
        let mut command = format!("run {}", quote(&format!("{}{version}", self.playbook)));
        for (name, value) in self.inputs.iter().filter(|(_, value)| !is_reference(value)) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            command.push_str(&format!(" -i {}", quote(&format!("{name}={text}"))));
        }
        let incident = self.incident.map(|id| format!(" --incident {}", quote(id)));
        command + &incident.unwrap_or_default()
    }

    /// The inputs that a person must not paste: what came from outside would be read as where a secret is, as theirs may be.
    pub fn left_out(&self) -> Vec<&'w str> {
        let inputs = self.inputs.iter();
        inputs.filter(|(_, value)| is_reference(value)).map(|(name, _)| name.as_str()).collect()
    }

    /// The same as it is told below the command.
    pub fn left_out_lines(&self, indent: usize, width: usize) -> Vec<Line> {
        let told = |name: &str| {
            let text = format!("{name} is left out: it came from outside, and would be read as where a secret is");
            paragraph(&text, indent, width, Ink::Bad)
        };
        self.left_out().into_iter().flat_map(told).collect()
    }
}

fn is_reference(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Reference::parse(text).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_read_as_a_secret_is_left_out_and_the_rest_is_quoted() {
        let inputs = serde_json::json!({ "cluster": "orders; rm -rf /", "lag": 5, "key": "exec:rm -rf /" });
        let inputs = inputs.as_object().unwrap();
        let wish = Wish { playbook: "heal", version: Some("1.0.0"), inputs, incident: Some("INC 7") };
        assert_eq!(wish.command(), "run heal@1.0.0 -i 'cluster=orders; rm -rf /' -i lag=5 --incident 'INC 7'");
        assert_eq!(wish.left_out(), ["key"]);
        assert_eq!(wish.left_out_lines(2, 80).len(), 1);
    }
}
