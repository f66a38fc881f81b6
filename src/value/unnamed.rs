//! What was said of one thing among many, without its name: so that it can be told whether the same was said of another. Pure.

/// A text without a name: where it stands as a word of its own. The address behind it (`web1 (10.0.0.1:22)`) goes with it, as it
/// is no less the name of the same thing.
pub fn without_name(text: &str, name: &str) -> String {
    let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name).filter(|_| !name.is_empty()) {
        let (before, found) = rest.split_at(at);
        let after = found.get(name.len()..).unwrap_or("");
        let bare = before.chars().next_back().or_else(|| result.chars().next_back()).is_none_or(|c| !inside(c))
            && after.chars().next().is_none_or(|c| !inside(c));
        result.push_str(before);
        result.push_str(if bare { "\u{0}" } else { name });
        rest = if bare { behind_address(after) } else { after };
    }
    result + rest
}

/// What stands behind ` (ADDRESS:PORT)`, where a text begins with that; else the text.
fn behind_address(text: &str) -> &str {
    let Some((inside, after)) = text.strip_prefix(" (").and_then(|inside| inside.split_once(')')) else { return text };
    let is_host = |c: char| c.is_alphanumeric() || ".:-_%[]".contains(c);
    let found = inside.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && host.chars().all(is_host) && !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit())
    });
    if found { after } else { text }
}

#[cfg(test)]
mod tests {
    use super::without_name as mask;

    #[test]
    fn a_name_is_left_out_where_it_is_a_word() {
        assert_eq!(mask("web1 and web10, web1.x (web1)", "web1"), "\u{0} and web10, \u{0}.x (\u{0})");
        assert_eq!(mask("database", "a"), "database");
        assert_eq!(mask("x", ""), "x");
    }

    #[test]
    fn the_address_behind_a_name_is_a_part_of_it_and_no_other_address_is() {
        let refused = "\u{0}: Connection refused";
        assert_eq!(mask("web1 (10.0.0.1:22): Connection refused", "web1"), refused);
        assert_eq!(mask("web1 (2001:db8::1:22): Connection refused", "web1"), refused);
        assert_eq!(mask("web1 (web1.eu.example:2222): Connection refused", "web1"), refused);
        for other in
            ["db (10.0.0.1:22): no", "web1: 10.0.0.1:22 is gone", "web1 (10.0.0.1): no", "web1 (a: 1)", "web1 ("]
        {
            assert_eq!(mask(other, "web1"), other.replace("web1", "\u{0}"), "{other}");
        }
    }
}
