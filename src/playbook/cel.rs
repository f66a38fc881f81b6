//! CEL expressions as trees: compiled once and kept, bounded in length and depth, and the paths that they name. It never
//! evaluates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::panic::catch_unwind;
use std::rc::Rc;

use ::cel::IdedExpr;
use ::cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use ::cel::parser::PrattParser;

/// The longest expression, in bytes.
pub(super) const MAX_LENGTH: usize = 4096;
/// How deep an expression's tree may be: it is walked by recursion.
const MAX_DEPTH: usize = 100;
/// How deep macros such as `all` may be nested: each level multiplies the work.
const MAX_LOOPS: usize = 2;
/// How many compiled expressions are kept: more than any playbook has, as each is asked for again by lint.
const CACHE: usize = 8192;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Rc<IdedExpr>>> = RefCell::new(HashMap::new());
}

/// What is wrong with an expression's form, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub message: String,
    pub at: Option<usize>,
}

/// One name or index of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Name(String),
    Index(i64),
}

/// A path such as `steps.roles.outputs.members[0]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub root: String,
    pub parts: Vec<Part>,
}

impl Path {
    /// The name at a place behind the root.
    pub fn name(&self, place: usize) -> Option<&str> {
        match self.parts.get(place) {
            Some(Part::Name(name)) => Some(name),
            _ => None,
        }
    }

    /// The path's first parts, for a message about them.
    pub fn head(&self, parts: usize) -> Path {
        Path { root: self.root.clone(), parts: self.parts.iter().take(parts).cloned().collect() }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        for part in &self.parts {
            match part {
                Part::Name(name) => write!(f, ".{name}")?,
                Part::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Compiles an expression, or takes the one that was compiled before.
pub(super) fn compile(source: &str) -> Result<Rc<IdedExpr>, SyntaxError> {
    if let Some(found) = COMPILED.with_borrow(|cache| cache.get(source).cloned()) {
        return Ok(found);
    }
    let compiled = Rc::new(parse(source)?);
    COMPILED.with_borrow_mut(|cache| {
        if cache.len() >= CACHE {
            cache.clear();
        }
        cache.insert(source.to_owned(), Rc::clone(&compiled));
    });
    Ok(compiled)
}

fn parse(source: &str) -> Result<IdedExpr, SyntaxError> {
    #[cfg(test)]
    super::counts::count("expression");
    let whole = |message: String| SyntaxError { message, at: None };
    if source.trim().is_empty() {
        return Err(whole("the expression is empty".to_owned()));
    }
    if source.len() > MAX_LENGTH {
        return Err(whole(format!("the expression is longer than {MAX_LENGTH} bytes")));
    }
    // The parser has asserts of its own; a wrong one must end in a refusal, not in a crash.
    let parsed = catch_unwind(|| PrattParser::new().max_recursion_depth(40).parse(source))
        .map_err(|_| whole("this cannot be read (a fault in the expression library)".to_owned()))?;
    let expression = parsed.map_err(|errors| {
        let Some(first) = errors.errors.first() else {
            return whole("the expression cannot be read".to_owned());
        };
        let at = usize::try_from(first.pos.1)
            .ok()
            .filter(|_| first.pos.0 == 1)
            .map(|column| source.char_indices().nth(column.saturating_sub(1)).map_or(source.len(), |(byte, _)| byte));
        SyntaxError { message: plain_words(&first.msg), at }
    })?;
    check_form(&expression, 0, 0).map_err(whole)?;
    Ok(expression)
}

/// The parser's message without the parser's words, and with ours for what people write from habit.
fn plain_words(message: &str) -> String {
    let message = message.trim_start_matches("Syntax error: ");
    let Some(rest) = message.strip_prefix("mismatched input ") else { return message.to_owned() };
    let token = rest.split(" expecting").next().unwrap_or(rest).trim_matches('\'');
    let ours = match token {
        "=" => "; `==` compares",
        "and" | "AND" => "; CEL writes `&&`",
        "or" | "OR" => "; CEL writes `||`",
        "not" | "NOT" => "; CEL writes `!`",
        "<EOF>" => return "the expression ends too early".to_owned(),
        _ => "",
    };
    format!("`{token}` does not belong here{ours}")
}

/// Refuses what would recurse or loop without an end, and what has no meaning here.
fn check_form(expression: &IdedExpr, depth: usize, loops: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the expression is nested too deep; split it".to_owned());
    }
    let mut children = Vec::new();
    let mut inner = loops;
    match &expression.expr {
        Expr::Unspecified => return Err("the expression cannot be read".to_owned()),
        Expr::Struct(_) => return Err("there are no struct types here".to_owned()),
        Expr::Comprehension(_) => inner += 1,
        Expr::Literal(LiteralValue::Bytes(_)) => return Err("bytes have no use here; write a string".to_owned()),
        _ => {}
    }
    if inner > MAX_LOOPS {
        return Err(format!("`all`, `exists`, `map` and `filter` may be nested {MAX_LOOPS} deep"));
    }
    each_child(&expression.expr, &mut |child| children.push(child));
    children.into_iter().try_for_each(|child| check_form(child, depth + 1, inner))
}

/// Calls back with each part of an expression.
pub(super) fn each_child<'e>(expression: &'e Expr, visit: &mut dyn FnMut(&'e IdedExpr)) {
    match expression {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| visit(target));
            call.args.iter().for_each(visit);
        }
        Expr::Comprehension(inner) => {
            for part in [&inner.iter_range, &inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
                visit(part);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(visit),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    visit(&entry.key);
                    visit(&entry.value);
                }
            }
        }
        Expr::Select(select) => visit(&select.operand),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

/// The path that an expression spells, if it is one. `has(a.b)` spells none: it asks.
pub(super) fn path_of(expression: &Expr) -> Option<Path> {
    match expression {
        Expr::Ident(name) => Some(Path { root: name.clone(), parts: Vec::new() }),
        Expr::Select(select) if !select.test => {
            let mut path = path_of(&select.operand.expr)?;
            path.parts.push(Part::Name(select.field.clone()));
            Some(path)
        }
        Expr::Call(call) if call.func_name == operators::INDEX && call.target.is_none() => {
            let [operand, index] = call.args.as_slice() else { return None };
            let mut path = path_of(&operand.expr)?;
            path.parts.push(match &index.expr {
                Expr::Literal(LiteralValue::String(text)) => Part::Name(text.inner().to_owned()),
                Expr::Literal(LiteralValue::Int(number)) => Part::Index(*number.inner()),
                _ => return None,
            });
            Some(path)
        }
        _ => None,
    }
}

/// All paths that an expression names, each once, in order; names that a macro binds are left out.
pub(super) fn paths(expression: &IdedExpr) -> Vec<Path> {
    let mut found = Vec::new();
    collect_paths(expression, &mut Vec::new(), &mut found);
    found
}

fn collect_paths<'e>(expression: &'e IdedExpr, bound: &mut Vec<&'e str>, found: &mut Vec<Path>) {
    let path = match &expression.expr {
        Expr::Select(select) if select.test => path_of(&select.operand.expr).map(|mut path| {
            path.parts.push(Part::Name(select.field.clone()));
            path
        }),
        other => path_of(other),
    };
    if let Some(path) = path {
        if !bound.contains(&path.root.as_str()) && !found.contains(&path) {
            found.push(path);
        }
        return;
    }
    if let Expr::Comprehension(inner) = &expression.expr {
        collect_paths(&inner.iter_range, bound, found);
        let before = bound.len();
        bound.extend([inner.iter_var.as_str(), inner.accu_var.as_str()]);
        bound.extend(inner.iter_var2.as_deref());
        for part in [&inner.accu_init, &inner.loop_cond, &inner.loop_step, &inner.result] {
            collect_paths(part, bound, found);
        }
        bound.truncate(before);
        return;
    }
    each_child(&expression.expr, &mut |child| collect_paths(child, bound, found));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Vec<String> {
        paths(&compile(source).unwrap()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn paths_are_found_and_bound_names_are_not() {
        assert_eq!(names("inputs.a == 1 && steps.x.outputs['b'][0] > inputs.a"), ["inputs.a", "steps.x.outputs.b[0]"]);
        assert_eq!(names("outputs.list.all(m, m.up && m.n > inputs.n)"), ["outputs.list", "inputs.n"]);
        assert_eq!(names("has(facts.x)"), ["facts.x"]);
        assert_eq!(names("size(outputs.stdout) > 0"), ["outputs.stdout"]);
    }

    #[test]
    fn what_could_run_away_is_refused() {
        for bad in [
            "",
            "1 +",
            "(",
            &"(".repeat(4000),
            &"!".repeat(4000),
            &"-".repeat(4000),
            &format!("a{}", ".b".repeat(2000)),
            &format!("1{}", "+1".repeat(2000)),
            &"1?1:".repeat(1000),
            &"[".repeat(4000),
            &"a".repeat(5000),
            "[1].all(a, [1].all(b, [1].all(c, true)))",
            "X{a: 1}",
            "b'x'",
        ] {
            assert!(compile(bad).is_err(), "{:.40}", bad);
        }
    }

    #[test]
    fn a_syntax_error_has_a_place() {
        assert_eq!(compile("1 = 1").unwrap_err().message, "`=` does not belong here; `==` compares");
        assert_eq!(compile("true and false").unwrap_err().message, "`and` does not belong here; CEL writes `&&`");
        assert_eq!(compile("inputs.a === 1").unwrap_err().at, Some(11));
    }
}
