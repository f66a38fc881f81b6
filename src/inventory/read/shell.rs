//! The words of a line as Python's `shlex` splits them: quotes and escapes, and nothing else of a shell. It expands nothing.

/// The words of a line as a POSIX shell splits them, a comment left out.
///
/// # Errors
/// When a quote is not closed, or a backslash escapes nothing.
pub(super) fn words(line: &str, comments: bool) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '\\') => match letters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err("a backslash at its end escapes nothing"),
            },
            (Some('"'), '\\') => match letters.next() {
                Some(next @ ('"' | '\\')) => word.get_or_insert_default().push(next),
                Some(next) => word.get_or_insert_default().extend(['\\', next]),
                None => return Err("a quote is not closed"),
            },
            (None, '#') if comments => break,
            (None, space) if space.is_whitespace() => words.extend(word.take()),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        let split = |line: &str| words(line, true).map(|words| words.join("|"));
        for (line, read) in [
            ("web1 a=1 b='x y' # c", "web1|a=1|b=x y"),
            ("web1 a=\"x \\\" \\y\" b=x\\ y", "web1|a=x \" \\y|b=x y"),
            ("a=b#c d", "a=b"),
            ("a='' b", "a=|b"),
            ("  ", ""),
        ] {
            assert_eq!(split(line), Ok(read.to_owned()), "{line}");
        }
        assert!(split("a 'b").is_err() && split("a \\").is_err() && split("\"a\\").is_err());
    }
}
