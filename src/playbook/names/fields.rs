//! What is known of a value before it is there, and what a step puts out. It only tells types; what may be named where is decided
//! above it.

use crate::playbook::Step;
use crate::spec::{ActionSpec, FieldSpec};
use crate::value::Type;

/// What is known of a value before it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::playbook) enum Kind {
    Any,
    Null,
    Bool,
    Number,
    Text,
    List,
    Map,
}

impl Kind {
    pub fn of(declared: &Type) -> Self {
        match declared {
            Type::String | Type::Choice(_) | Type::Ip | Type::Cidr | Type::Identifier | Type::Reference(_) => {
                Kind::Text
            }
            Type::Integer | Type::Number | Type::Duration | Type::Size => Kind::Number,
            Type::Boolean => Kind::Bool,
            Type::List(_) => Kind::List,
            Type::Any => Kind::Any,
        }
    }

    /// What it is, for a person.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Any => "a value",
            Kind::Null => "null",
            Kind::Bool => "true or false",
            Kind::Number => "a number",
            Kind::Text => "a string",
            Kind::List => "a list",
            Kind::Map => "a map",
        }
    }
}

/// The outputs or facts of one step.
#[derive(Debug, Clone, Default)]
pub(in crate::playbook) struct Fields {
    pub(super) list: Vec<(String, Type)>,
    /// Nobody can say what else there is.
    pub(super) open: bool,
}

impl Fields {
    pub fn open() -> Self {
        Self { list: Vec::new(), open: true }
    }

    pub fn of(fields: &[FieldSpec]) -> Self {
        Self { list: fields.iter().map(|field| (field.name.to_owned(), field.kind.clone())).collect(), open: false }
    }

    /// What a step puts out: what its action says, and what the step itself declares.
    pub fn of_step(step: &Step, spec: Option<&ActionSpec>) -> Self {
        let command = matches!(step.action.as_str(), "shell" | "ssh");
        let mut fields = match spec {
            Some(spec) => Self::of(&spec.outputs),
            None if command => Self::default(),
            None => return Self::open(),
        };
        if command {
            for (name, kind) in [("stdout", Type::String), ("stderr", Type::String), ("exit_code", Type::Integer)] {
                fields.add(name, kind);
            }
        }
        for output in &step.outputs {
            fields.add(&output.name, output.kind.clone());
        }
        fields
    }

    /// The declared type of one, where something is declared.
    pub fn kind_of(&self, name: &str) -> Option<Type> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, kind)| kind.clone())
    }

    fn add(&mut self, name: &str, kind: Type) {
        if !self.list.iter().any(|(known, _)| known == name) {
            self.list.push((name.to_owned(), kind));
        }
    }
}
