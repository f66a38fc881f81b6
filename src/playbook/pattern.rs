//! Regular expressions as they are written: whether one can be read, and how many groups it has. It never looks for
//! anything with them.

use regex::Regex;

/// The longest pattern that is too small to grow beyond the library's limit, whatever stands in it.
const SMALL: usize = 128;

/// How many groups a pattern has.
///
/// Making the machine that looks with it takes a hundred times as long as reading it, and a playbook has hundreds of them.
/// So it is made only where reading alone cannot tell: for the words of a refusal, and for what may grow beyond the limit,
/// which only a counted repetition or a long pattern can.
///
/// # Errors
/// Why it is no regular expression, in the library's words.
pub(super) fn groups(pattern: &str) -> Result<usize, regex::Error> {
    if pattern.len() <= SMALL
        && !pattern.contains('{')
        && let Ok(read) = regex_syntax::Parser::new().parse(pattern)
    {
        return Ok(read.properties().explicit_captures_len());
    }
    #[cfg(test)]
    super::counts::count("pattern");
    // The whole match counts as a group there.
    Regex::new(pattern).map(|regex| regex.captures_len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by_the_library(pattern: &str) -> Result<usize, String> {
        Regex::new(pattern).map(|regex| regex.captures_len() - 1).map_err(|error| error.to_string())
    }

    fn same(pattern: &str) -> bool {
        groups(pattern).map_err(|error| error.to_string()) == by_the_library(pattern)
    }

    #[test]
    fn it_says_what_the_library_says() {
        for pattern in
            ["", "a", "(a)(b)", "(?:a)", "(?P<x>a)", "(", "a**", "[", r"\p{Greek}", r"\pL", r"(?i)\w", "a{2}"]
        {
            assert!(same(pattern), "{pattern}");
        }
        assert!(same(r"(?-u)\xff") && same(&r"\PL".repeat(42)) && same(&r"(?i)\w".repeat(21)));
    }

    #[test]
    fn one_that_would_grow_too_large_is_refused_as_before() {
        assert!(groups(r"\w{1000}{1000}").is_err());
        assert!(groups(&r"\w".repeat(100_000)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: crate::fuzz_cases(256), ..ProptestConfig::default() })]

        #[test]
        fn it_says_what_the_library_says_of_any(pattern in r"[a-c(){}\[\]|*+?.^$\\dwpPLk<>:!=i0-9-]{0,24}") {
            prop_assert!(same(&pattern));
        }
    }
}
