//! Names of environments. The brakes of production hang on one word, so what is nearly that word is refused: it must never
//! switch them off without anybody's notice.

/// What is wrong with a name of an environment, if anything is.
pub fn environment_problem(name: &str) -> Option<&'static str> {
    let trimmed = name.trim();
    let nearly = ["prod", "production", "produktion", "prd"].iter().any(|word| trimmed.eq_ignore_ascii_case(word));
    match (trimmed.is_empty(), trimmed == name) {
        (true, _) => Some("an environment needs a name"),
        (_, false) => Some("there is a space around the name, and it would be another environment's"),
        _ if nearly && name != "production" => Some(
            "the brakes of production hold where it is written `production`; write that, or a word of another kind",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_production_is_refused() {
        for good in ["production", "staging", "lab", "production-like"] {
            assert_eq!(environment_problem(good), None, "{good}");
        }
        for bad in ["", " ", "Production", "PRODUCTION", "prod", "Prod", "production ", " lab"] {
            assert!(environment_problem(bad).is_some(), "{bad:?}");
        }
    }
}
