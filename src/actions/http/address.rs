//! The address of a request, put together so that no value can leave its place: a part of a path stays one part, a query's
//! value stays a value. It sends nothing.

use reqwest::Url;

use crate::value::Value;

/// The address that the arguments `url`, `path` and `query` describe.
///
/// # Errors
/// What is no address, or can be no part of one.
pub(crate) fn of(arguments: &Value) -> Result<Url, String> {
    let text = arguments.get("url").and_then(Value::as_str).unwrap_or_default();
    // Parsers differ in what they make of these: some drop them, some take `\\` for `/`.
    if text.chars().any(|letter| letter.is_control() || letter.is_whitespace() || letter == '\\') {
        return Err(format!("`{text}` is no address: it holds a blank, a backslash or a control character"));
    }
    let mut url = Url::parse(text).map_err(|error| format!("`{text}` is no address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{text}` begins with neither http:// nor https://"));
    }
    add_path(&mut url, arguments.get("path"))?;
    add_query(&mut url, arguments.get("query"))?;
    Ok(url)
}

fn add_path(url: &mut Url, given: Option<&Value>) -> Result<(), String> {
    let Some(parts) = given.and_then(Value::as_array) else { return Ok(()) };
    let parts: Vec<String> = parts.iter().map(|part| text_of("a part of `path`", part)).collect::<Result<_, _>>()?;
    // An empty part or one of dots alone would make another path of it, encoded or not.
    if let Some(bad) = parts.iter().find(|part| matches!(part.as_str(), "" | "." | "..")) {
        return Err(format!("`{bad}` can be no part of a path: it would lead elsewhere"));
    }
    let mut path = url.path_segments_mut().map_err(|()| "an address of this kind has no path".to_owned())?;
    path.pop_if_empty().extend(&parts);
    Ok(())
}

fn add_query(url: &mut Url, given: Option<&Value>) -> Result<(), String> {
    match given {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(map)) => {
            for (name, value) in map {
                for one in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
                    let text = text_of(&format!("`query.{name}`"), one)?;
                    url.query_pairs_mut().append_pair(name, &text);
                }
            }
            Ok(())
        }
        Some(_) => Err("`query` is a map of names to values".to_owned()),
    }
}

fn text_of(what: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(format!("{what} is no text")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn made(arguments: &Value) -> String {
        of(arguments).map_or_else(|error| format!("error: {error}"), |url| url.to_string())
    }

    #[test]
    fn parts_stay_parts() {
        let with =
            |part: &str| made(&json!({ "url": "http://api:80/v1/?a=1", "path": ["x", part], "query": { "q": part } }));
        assert_eq!(
            with("a b/../c?d#e%2F"),
            "http://api/v1/x/a%20b%2F..%2Fc%3Fd%23e%252F?a=1&q=a+b%2F..%2Fc%3Fd%23e%252F"
        );
        assert_eq!(with("@evil:1//x"), "http://api/v1/x/@evil:1%2F%2Fx?a=1&q=%40evil%3A1%2F%2Fx");
        for bad in ["..", ".", ""] {
            assert!(with(bad).starts_with("error:"), "{bad}");
        }
        for bad in
            ["http://a/ b", "http://a\\@b/", "http://a\n.evil/", "\thttp://a", "ftp://a/", "file:///etc/passwd", "a"]
        {
            assert!(made(&json!({ "url": bad })).starts_with("error:"), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_part_leaves_its_place(part in any::<String>(), name in any::<String>()) {
            let given = json!({ "url": "http://user@api:81/v1", "path": [part.clone()], "query": { name.clone(): part.clone() } });
            if let Ok(url) = of(&given) {
                prop_assert_eq!((url.host_str(), url.port(), url.username()), (Some("api"), Some(81), "user"));
                prop_assert_eq!(url.path_segments().map(Iterator::count), Some(2));
                prop_assert_eq!(url.fragment(), None);
                let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
                prop_assert_eq!(pairs, vec![(name, part)]);
            }
        }
    }
}
