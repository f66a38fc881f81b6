//! Checks the names and types of an expression before it is ever evaluated: the CEL library has no checker of its own.

use ::cel::IdedExpr;
use ::cel::common::ast::{CallExpr, Expr, LiteralValue, operators};

use super::cel::{Path, each_child, path_of};
use super::names::{Guard, Kind, Names, Target};
use super::signatures::check_call;
use crate::diagnostic::nearest;
use crate::value::Type;

/// One fault, and the word of the expression that it is about.
pub(super) struct Finding {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
    pub word: Option<String>,
}

/// Walks an expression and notes what is wrong with it.
pub(super) struct Checker<'n, 'a> {
    names: &'n Names<'a>,
    /// The names that macros bind, with the type of what they go through where it is declared.
    bound: Vec<(String, Option<Type>)>,
    pub findings: Vec<Finding>,
    /// The paths that lead to a step or group which may be skipped.
    pub skippable: Vec<(Path, Guard<'a>)>,
}

/// A part of an expression: its kind, and what is declared of it.
pub(super) struct Typed {
    pub kind: Kind,
    declared: Option<Type>,
    /// The path that it is.
    pub word: Option<String>,
    literal: Option<String>,
}

impl Typed {
    fn of(kind: Kind) -> Self {
        Self { kind, declared: None, word: None, literal: None }
    }
}

impl<'n, 'a> Checker<'n, 'a> {
    pub fn new(names: &'n Names<'a>) -> Self {
        Self { names, bound: Vec::new(), findings: Vec::new(), skippable: Vec::new() }
    }

    /// The kind of an expression.
    pub fn kind(&mut self, expression: &IdedExpr) -> Kind {
        self.typed(expression).kind
    }

    fn find(&mut self, code: &'static str, message: String, help: Option<String>, word: Option<String>) {
        self.findings.push(Finding { code, message, help, word });
    }

    /// Finds what a path leads to, and notes where it leads nowhere.
    pub fn path(&mut self, path: &Path) -> Option<Target<'a>> {
        match self.names.resolve(path) {
            Ok(target) => {
                if let Some(guard) = target.may_be_skipped {
                    self.skippable.push((path.clone(), guard));
                }
                Some(target)
            }
            Err(wrong) => {
                self.find(wrong.code, wrong.message, wrong.help, Some(path.to_string()));
                None
            }
        }
    }

    fn typed(&mut self, expression: &IdedExpr) -> Typed {
        if let Some(path) = path_of(&expression.expr) {
            if let Some((_, declared)) = self.bound.iter().rev().find(|(name, _)| *name == path.root) {
                let declared = declared.clone().filter(|_| path.parts.is_empty());
                let kind = declared.as_ref().map_or(Kind::Any, Kind::of);
                return Typed { kind, declared, word: Some(path.to_string()), literal: None };
            }
            let target = self.path(&path);
            return Typed {
                kind: target.as_ref().map_or(Kind::Any, |target| target.kind),
                declared: target.and_then(|target| target.declared),
                word: Some(path.to_string()),
                literal: None,
            };
        }
        match &expression.expr {
            Expr::Literal(literal) => Self::literal(literal),
            Expr::Call(call) => Typed::of(self.call(call)),
            Expr::Select(select) if select.test => {
                if let Some(mut path) = path_of(&select.operand.expr).filter(|path| !self.is_bound(&path.root)) {
                    path.parts.push(super::cel::Part::Name(select.field.clone()));
                    // It asks whether it is there: a skipped step is an answer. A name that can never be is a slip.
                    if let Err(wrong) = self.names.resolve(&path) {
                        self.find(wrong.code, wrong.message, wrong.help, Some(path.to_string()));
                    }
                } else if path_of(&select.operand.expr).is_none() {
                    self.typed(&select.operand);
                }
                Typed::of(Kind::Bool)
            }
            Expr::Comprehension(inner) => {
                let range = self.typed(&inner.iter_range);
                if matches!(range.kind, Kind::Bool | Kind::Number | Kind::Text | Kind::Null) {
                    let message =
                        format!("`all`, `exists`, `map` and `filter` need a list, not {}", range.kind.describe());
                    self.find("type-mismatch", message, None, range.word);
                }
                let before = self.bound.len();
                let item = match range.declared {
                    Some(Type::List(item)) => Some(*item),
                    _ => None,
                };
                // With two names the first is the place, and the second what stands there.
                let (first, second) = if inner.iter_var2.is_some() { (None, item) } else { (item, None) };
                self.bound.extend([(inner.iter_var.clone(), first), (inner.accu_var.clone(), None)]);
                self.bound.extend(inner.iter_var2.clone().map(|name| (name, second)));
                self.typed(&inner.loop_step);
                self.bound.truncate(before);
                // `all` and `exists` begin with true or false, `map` and `filter` with a list.
                Typed::of(match &inner.accu_init.expr {
                    Expr::Literal(LiteralValue::Boolean(_)) => Kind::Bool,
                    Expr::List(_) => Kind::List,
                    _ => Kind::Any,
                })
            }
            other => {
                let kind = match other {
                    Expr::List(_) => Kind::List,
                    Expr::Map(_) => Kind::Map,
                    _ => Kind::Any,
                };
                each_child(other, &mut |child| {
                    self.typed(child);
                });
                Typed::of(kind)
            }
        }
    }

    fn literal(literal: &LiteralValue) -> Typed {
        let kind = match literal {
            LiteralValue::Boolean(_) => Kind::Bool,
            LiteralValue::Double(_) => {
                return Typed { declared: Some(Type::Number), ..Typed::of(Kind::Number) };
            }
            LiteralValue::Int(_) | LiteralValue::UInt(_) => Kind::Number,
            LiteralValue::Null => Kind::Null,
            LiteralValue::String(text) => {
                let literal = Some(text.inner().to_owned());
                return Typed { kind: Kind::Text, declared: None, word: None, literal };
            }
            LiteralValue::Bytes(_) => Kind::Any,
        };
        Typed::of(kind)
    }

    fn call(&mut self, call: &CallExpr) -> Kind {
        let target = call.target.as_ref().map(|target| self.typed(target));
        let parts: Vec<Typed> = call.args.iter().map(|argument| self.typed(argument)).collect();
        match (call.func_name.as_str(), parts.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, parts) => {
                for part in parts {
                    self.must_be_bool(part);
                }
                Kind::Bool
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.must_be_bool(condition);
                if yes.kind == no.kind { yes.kind } else { Kind::Any }
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                self.equality(left, right);
                Kind::Bool
            }
            (
                operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
                [left, right],
            ) => {
                self.ordering(left, right);
                Kind::Bool
            }
            (operators::ADD, [left, right]) => self.arithmetic(left, right, &[Kind::Number, Kind::Text, Kind::List]),
            (operators::MODULO, [left, right]) => self.remainder(left, right),
            (operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE, [left, right]) => {
                self.arithmetic(left, right, &[Kind::Number])
            }
            (operators::NEGATE, [part]) => {
                if !matches!(part.kind, Kind::Number | Kind::Any) {
                    let message = format!("`-` needs a number behind it, and this is {}", part.kind.describe());
                    self.find("type-mismatch", message, None, part.word.clone());
                }
                Kind::Number
            }
            (operators::IN, [left, right]) => {
                self.membership(left, right, call.args.get(1));
                Kind::Bool
            }
            (operators::INDEX, [whole, place]) => {
                self.index(whole, place);
                Kind::Any
            }
            (name, parts) => self.function(name, target.as_ref(), parts),
        }
    }

    fn must_be_bool(&mut self, part: &Typed) {
        if !matches!(part.kind, Kind::Bool | Kind::Any) {
            let message = format!("a condition is true or false, and this is {}", part.kind.describe());
            self.find("not-a-condition", message, None, part.word.clone());
        }
    }

    fn equality(&mut self, left: &Typed, right: &Typed) {
        for (one, other) in [(left, right), (right, left)] {
            if let (Some(Type::Choice(options)), Some(text)) = (&one.declared, &other.literal)
                && !options.contains(text)
            {
                let help = nearest(text, options.iter().map(String::as_str))
                    .map(|near| format!("did you mean `{near}`?"))
                    .or_else(|| Some(format!("it is one of {}", options.join(", "))));
                let name = one.word.as_deref().unwrap_or("this");
                let word = Some(text.clone()).filter(|text| !text.is_empty()).or_else(|| one.word.clone());
                self.find("not-an-option", format!("`{name}` is never `{text}`"), help, word);
                return;
            }
        }
        let open = |kind: Kind| matches!(kind, Kind::Any | Kind::Null);
        if !open(left.kind) && !open(right.kind) && left.kind != right.kind {
            self.mismatch(left, right);
        }
    }

    fn membership(&mut self, left: &Typed, right: &Typed, written: Option<&IdedExpr>) {
        match (right.kind, &right.declared, written.map(|written| &written.expr)) {
            (Kind::Any, ..) => {}
            (Kind::List, Some(Type::List(item)), _) => {
                let item = Typed { declared: Some(item.as_ref().clone()), ..Typed::of(Kind::of(item)) };
                self.equality(left, &item);
            }
            (Kind::List, _, Some(Expr::List(list))) => {
                for element in &list.elements {
                    if let Expr::Literal(literal) = &element.expr {
                        self.equality(left, &Self::literal(literal));
                    }
                }
            }
            (Kind::List, ..) => {}
            (Kind::Map, ..) if matches!(left.kind, Kind::Text | Kind::Any) => {}
            (Kind::Map, ..) => {
                let message = format!("the keys of a map are strings, and this is {}", left.kind.describe());
                self.find("type-mismatch", message, None, left.word.clone());
            }
            _ => {
                let message = format!("`in` needs a list or a map behind it, not {}", right.kind.describe());
                self.find("type-mismatch", message, None, right.word.clone());
            }
        }
    }

    fn index(&mut self, whole: &Typed, place: &Typed) {
        let fits = match whole.kind {
            Kind::Any => true,
            Kind::List => matches!(place.kind, Kind::Number | Kind::Any),
            Kind::Map => matches!(place.kind, Kind::Text | Kind::Any),
            _ => {
                let message = format!("{} has no parts", whole.kind.describe());
                self.find("type-mismatch", message, None, whole.word.clone());
                return;
            }
        };
        if !fits {
            let by = if whole.kind == Kind::List { "numbers" } else { "strings" };
            let message = format!(
                "the parts of {} are found by {by}, and this is {}",
                whole.kind.describe(),
                place.kind.describe()
            );
            self.find("type-mismatch", message, None, place.word.clone());
        }
    }

    /// `%` is of whole numbers alone; a duration is a fraction.
    fn remainder(&mut self, left: &Typed, right: &Typed) -> Kind {
        let fraction = |part: &&Typed| matches!(part.declared, Some(Type::Number | Type::Duration));
        if let Some(part) = [left, right].into_iter().find(fraction) {
            let message = "`%` is for whole numbers, and this may be a fraction".to_owned();
            let help = Some("`int(…)` makes a whole number of it".to_owned());
            self.find("type-mismatch", message, help, part.word.clone());
            return Kind::Number;
        }
        self.arithmetic(left, right, &[Kind::Number])
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().any(|(bound, _)| bound == name)
    }

    fn ordering(&mut self, left: &Typed, right: &Typed) {
        let orders = |kind: Kind| matches!(kind, Kind::Number | Kind::Text | Kind::Any);
        let fits = left.kind == right.kind || left.kind == Kind::Any || right.kind == Kind::Any;
        if !orders(left.kind) || !orders(right.kind) || !fits {
            self.mismatch(left, right);
        }
    }

    fn mismatch(&mut self, left: &Typed, right: &Typed) {
        let message = format!("{} is compared with {}", left.kind.describe(), right.kind.describe());
        let help = match (&left.declared, &right.declared) {
            (Some(Type::Size), _) | (_, Some(Type::Size)) => Some("a size is a number of bytes".to_owned()),
            (Some(Type::Duration), _) | (_, Some(Type::Duration)) => Some("a duration is its seconds".to_owned()),
            _ => None,
        };
        self.find("type-mismatch", message, help, left.word.clone().or_else(|| right.word.clone()));
    }

    fn arithmetic(&mut self, left: &Typed, right: &Typed, allowed: &[Kind]) -> Kind {
        let fits = |kind: Kind| kind == Kind::Any || allowed.contains(&kind);
        let both = left.kind == right.kind || left.kind == Kind::Any || right.kind == Kind::Any;
        if !fits(left.kind) || !fits(right.kind) || !both {
            let message = format!("{} and {} cannot be put together so", left.kind.describe(), right.kind.describe());
            self.find("type-mismatch", message, None, left.word.clone().or_else(|| right.word.clone()));
            return Kind::Any;
        }
        if left.kind == Kind::Any { right.kind } else { left.kind }
    }

    fn function(&mut self, name: &str, target: Option<&Typed>, parts: &[Typed]) -> Kind {
        if name == "matches"
            && let Some(pattern) = parts.last().and_then(|part| part.literal.as_deref())
            && super::pattern::groups(pattern).is_err()
        {
            self.find("bad-pattern", format!("`{pattern}` is no regular expression"), None, None);
        }
        // What macros are written out to.
        if name.starts_with('@') {
            return Kind::Any;
        }
        let (gives, finding) = check_call(name, target, parts);
        self.findings.extend(finding);
        gives
    }
}
