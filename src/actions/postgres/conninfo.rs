//! Connection strings of libpq (`host=… port=…`), read, changed and written. Pure. They may hold a password, so they are
//! never shown whole: see `shown`.

/// A connection string, word by word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conninfo(Vec<(String, String)>);

impl Conninfo {
    /// Reads one; words that make no sense are left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut words = Vec::new();
        let mut rest = text.chars().peekable();
        loop {
            while rest.next_if(|c| c.is_whitespace()).is_some() {}
            let mut key = String::new();
            while let Some(c) = rest.next_if(|c| *c != '=' && !c.is_whitespace()) {
                key.push(c);
            }
            while rest.next_if(|c| c.is_whitespace()).is_some() {}
            if rest.next_if_eq(&'=').is_none() {
                return Self(words);
            }
            while rest.next_if(|c| c.is_whitespace()).is_some() {}
            let quoted = rest.next_if_eq(&'\'').is_some();
            let mut value = String::new();
            while let Some(c) = rest.next_if(|c| if quoted { *c != '\'' } else { !c.is_whitespace() }) {
                if c == '\\' { value.extend(rest.next()) } else { value.push(c) }
            }
            if quoted {
                rest.next();
            }
            words.push((key, value));
        }
    }

    /// A word's value.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The same with a word set.
    #[must_use]
    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.0.retain(|(name, _)| name != key);
        self.0.push((key.to_owned(), value.to_owned()));
        self
    }

    /// The same without a word.
    #[must_use]
    pub(super) fn without(mut self, key: &str) -> Self {
        self.0.retain(|(name, _)| name != key);
        self
    }

    /// The same without what must not be written down.
    #[must_use]
    pub(super) fn shown(self) -> Self {
        self.without("password").without("sslpassword")
    }
}

impl std::fmt::Display for Conninfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{key}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))?;
        }
        Ok(())
    }
}

/// A value as a setting's file or a statement takes it, in single quotes.
pub(super) fn quoted(text: &str) -> String {
    // Both readers take a doubled quote; a backslash is escaped for the file alone, so the statement says E''.
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_survives_the_way_there_and_back() {
        let parsed = Conninfo::parse(r"user=repl  password = 'a b\'c\\d' host='/tmp' port=5432");
        assert_eq!(parsed.get("password"), Some(r"a b'c\d"));
        assert_eq!(Conninfo::parse(&parsed.to_string()), parsed);
        let moved = parsed.with("host", "10.0.0.2").shown();
        assert_eq!((moved.get("host"), moved.get("password")), (Some("10.0.0.2"), None));
        assert_eq!(Conninfo::parse("nonsense"), Conninfo::default());
    }
}
