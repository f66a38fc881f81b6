//! Templates over values that are none of a run's: what an alert brings is put into the inputs that a route of the
//! configuration asks for. They are as strict as those of playbooks: what is not there is an error that names it.

use super::Scope;
use super::cel::{Part, Path};
use super::template::{self, Filler, Piece};
use crate::value::Value;

/// Whether a text has anything to fill in, held to these names at the beginning of each path.
///
/// # Errors
/// When it cannot be read, or names something else.
pub fn check_outside(source: &str, roots: &[&str]) -> Result<bool, String> {
    if !template::is_template(source) {
        return Ok(false);
    }
    let pieces = template::compile(source)?;
    let mut wrong = None;
    each_path(&pieces, &mut |path, _| {
        if !roots.contains(&path.root.as_str()) {
            wrong = wrong.take().or_else(|| Some(format!("`{path}`: a path begins with {}", roots.join(", "))));
        }
    });
    wrong.map_or(Ok(true), Err)
}

/// Fills a text in from an object.
///
/// # Errors
/// When it names what the object does not have.
pub fn fill_outside(source: &str, values: &Value) -> Result<Value, String> {
    if !template::is_template(source) {
        return Ok(Value::from(source));
    }
    let pieces = template::compile(source)?;
    let mut missing = None;
    each_path(&pieces, &mut |path, guarded| {
        if !guarded && missing.is_none() {
            missing = look(path, values).err();
        }
    });
    if let Some(missing) = missing {
        return Err(missing);
    }
    // The names of a run are fixed, and `item` may be anything.
    let scope = Scope { item: values.clone(), ..Scope::default() };
    let pieces: Vec<Piece> = pieces.iter().map(moved).collect();
    template::fill(&pieces, &scope)
}

fn each_path(pieces: &[Piece], visit: &mut dyn FnMut(&Path, bool)) {
    for piece in pieces {
        if let Piece::Value(filler) = piece {
            filler.each_path(false, visit);
        }
    }
}

/// Says what is missing in the words of whoever wrote the path.
fn look(path: &Path, values: &Value) -> Result<(), String> {
    let mut here = values;
    let mut so_far = String::from("there");
    for name in std::iter::once(Some(path.root.as_str())).chain((0..path.parts.len()).map(|place| path.name(place))) {
        let Some(name) = name else { return Err(format!("`{path}`: an index cannot stand here")) };
        let Value::Object(map) = here else { return Err(format!("`{path}`: `{so_far}` has nothing in it")) };
        match map.get(name) {
            Some(Value::Null) => return Err(format!("`{path}` is not there")),
            Some(Value::String(text)) if text.is_empty() => return Err(format!("`{path}` is empty")),
            Some(value) => here = value,
            None => {
                let has: Vec<&str> = map.keys().take(12).map(String::as_str).collect();
                let has = if has.is_empty() { "nothing".to_owned() } else { has.join(", ") };
                return Err(format!("`{path}` is not there; {so_far} is {has}"));
            }
        }
        so_far = format!("in `{name}`");
    }
    Ok(())
}

fn moved(piece: &Piece) -> Piece {
    match piece {
        Piece::Text(text) => Piece::Text(text.clone()),
        Piece::Value(filler) => Piece::Value(below_item(filler)),
    }
}

fn below_item(filler: &Filler) -> Filler {
    match filler {
        Filler::Path(path) => {
            let root = std::iter::once(Part::Name(path.root.clone()));
            Filler::Path(Path { root: "item".to_owned(), parts: root.chain(path.parts.iter().cloned()).collect() })
        }
        Filler::Literal(value) => Filler::Literal(value.clone()),
        Filler::Json(inner) => Filler::Json(Box::new(below_item(inner))),
        Filler::Default(first, second) => Filler::Default(Box::new(below_item(first)), Box::new(below_item(second))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_there_is_filled_in_and_what_is_not_is_told() {
        let values = json!({ "labels": { "cluster": "orders", "empty": "", "a-b": "x" }, "source": "m" });
        let fill = |text: &str| fill_outside(text, &values);
        assert_eq!(fill("{{labels.cluster}}"), Ok(json!("orders")));
        assert_eq!(fill("db-{{labels.cluster}}/{{source}}"), Ok(json!("db-orders/m")));
        assert_eq!(fill("{{labels.[a-b]}}"), Ok(json!("x")));
        assert_eq!(fill("plain"), Ok(json!("plain")));
        assert_eq!(fill("{{default labels.site \"here\"}}"), Ok(json!("here")));
        for (text, said) in [
            ("{{labels.site}}", "in `labels` is cluster, empty, a-b"),
            ("{{labels.empty}}", "is empty"),
            ("{{labels.cluster.x}}", "nothing in it"),
            ("{{other.x}}", "is not there"),
            ("{{labels}}-", "no single value"),
        ] {
            let error = fill(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn paths_begin_where_they_may() {
        assert_eq!(check_outside("{{labels.a}}", &["labels"]), Ok(true));
        assert_eq!(check_outside("planned", &["labels"]), Ok(false));
        assert!(check_outside("{{inputs.a}}", &["labels"]).unwrap_err().contains("inputs.a"));
        assert!(check_outside("{{labels.a", &["labels"]).is_err());
        assert!(check_outside("{{#if labels.a}}{{/if}}", &["labels"]).is_err());
    }
}
