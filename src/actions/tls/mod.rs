//! Certificates: the one that a server shows, and a pair that is to be shown. Only looked at: nothing here writes, and a
//! private key is held to its certificate where it lies, or in memory for that one moment.

mod certificate;
mod check;
mod pair;
mod trust;

use std::sync::Arc;

pub use check::Check;
pub use pair::Pair;

use super::Action;
use crate::spec::FieldSpec;
use crate::value::{Type, Value};

/// The actions of this room, for the table.
pub fn all() -> Vec<Arc<dyn Action>> {
    vec![Arc::new(Check), Arc::new(Pair)]
}

/// What is said of a certificate, by both.
fn outputs() -> Vec<FieldSpec> {
    let texts = || Type::List(Box::new(Type::String));
    vec![
        FieldSpec::required("subject", Type::String, "whose it is, such as CN=shop.example"),
        FieldSpec::required("issuer", Type::String, "who signed it"),
        FieldSpec::required("serial", Type::String, "its serial number, in hexadecimal"),
        FieldSpec::required("sha256", Type::String, "the SHA-256 of the certificate, in hexadecimal"),
        FieldSpec::required("not_before", Type::String, "when it begins"),
        FieldSpec::required("not_after", Type::String, "when it ends"),
        FieldSpec::required("days_left", Type::Integer, "whole days until it ends; below 0 once it has ended")
            .volatile(),
        FieldSpec::required("expired", Type::Boolean, "whether it has ended"),
        FieldSpec::required("names", texts(), "the names and addresses that it is for"),
        FieldSpec::required("not_covered", texts(), "the names of `names` that it is not for"),
        FieldSpec::required("chain", Type::Integer, "how many certificates there are, with those above it"),
        FieldSpec::required("trusted", Type::Boolean, "whether it is valid now, for its name, and vouched for"),
        FieldSpec::optional("problem", Type::String, "why it is not trusted"),
    ]
}

/// The names that an argument lists.
fn names(arguments: &Value) -> Vec<String> {
    let list = arguments.get("names").and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|name| name.as_str().map(str::to_owned)).collect()
}
