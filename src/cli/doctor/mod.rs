//! `doctor`: what would stop a run now. It only looks, and leaves nothing behind.

mod local;
mod playbooks;
mod targets;

use serde_json::json;

use crate::cli::args::{Doctor, Format};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::inputs;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::{heading, paragraph};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// It is well.
    Well,
    /// Worth knowing; it stops nothing.
    Remark,
    /// It would stop a run.
    Finding,
}

/// What was looked at, and how it is.
#[derive(Debug, Clone)]
struct Look {
    level: Level,
    /// What was looked at, in a word or two.
    about: String,
    /// How it is.
    text: String,
    /// What to do about it; may be empty.
    hint: String,
}

impl Look {
    fn well(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Well, about: about.into(), text: text.into(), hint: String::new() }
    }

    fn remark(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Remark, ..Self::well(about, text) }
    }

    fn finding(about: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Finding, ..Self::well(about, text) }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

/// Looks at everything that a run needs.
///
/// # Errors
/// When a playbook that was named does not exist, or an input names what the inventory does not have; whatever else is wrong is a finding.
pub fn doctor(setup: &Setup, args: &Doctor) -> Result<Exit, Failure> {
    // A name that was mistyped is no finding about the machine.
    if let Some(name) = &args.name {
        setup.source(name)?;
    }
    let inventory = setup.inventory();
    let chosen = match (&args.name, &inventory) {
        (Some(name), Ok(inventory)) => {
            let bind = |book| setup.bound(book, name, (&args.input, None), Some(inventory));
            let chosen = setup.playbook(name).and_then(bind);
            // Nor is an input that names nothing.
            if let Ok(chosen) = &chosen {
                inputs::hold_names(&chosen.playbook, &chosen.inputs, inventory)?;
            }
            Some((name, chosen))
        }
        _ => None,
    };
    let mut looks = local::looks(setup);
    match inventory {
        Ok(inventory) => {
            looks.extend(targets::inventory(setup, &inventory));
            looks.extend(targets::looks(setup, &inventory)?);
            looks.extend(playbooks::looks(setup));
            if let Some((name, chosen)) = chosen {
                looks.extend(playbooks::plan(setup, name, chosen, inventory));
            }
        }
        Err(failure) => {
            looks.push(Look::finding("inventory", failure.what));
            looks.extend(playbooks::looks(setup));
        }
    }
    let findings = looks.iter().filter(|look| look.level == Level::Finding).count();
    let exit = if findings > 0 { Exit::Failed } else { Exit::Success };
    if args.output == Format::Json {
        setup.screen.json(&as_json(&looks, exit));
    } else {
        setup.screen.print_whole(&lines(setup, &looks, findings));
    }
    Ok(exit)
}

fn as_json(looks: &[Look], exit: Exit) -> serde_json::Value {
    let word = |level: Level| match level {
        Level::Well => "well",
        Level::Remark => "remark",
        Level::Finding => "finding",
    };
    let all = looks
        .iter()
        .map(|look| json!({ "level": word(look.level), "about": look.about, "text": look.text, "hint": look.hint }));
    json!({ "v": 1, "type": "doctor", "exit": exit.code(), "looks": all.collect::<Vec<_>>() })
}

fn lines(setup: &Setup, looks: &[Look], findings: usize) -> Vec<Line> {
    let width = setup.screen.text_width();
    let column = looks.iter().map(|look| Line::plain(&look.about).width()).max().unwrap_or(0).min(width / 3) + 4;
    let mut lines = Vec::new();
    for look in looks {
        let (mark, ink) = match look.level {
            Level::Well => ("✓", Ink::Good),
            Level::Remark => ("?", Ink::Warn),
            Level::Finding => ("✗", Ink::Bad),
        };
        let clean = crate::cli::visible::line(&look.text);
        let mut texts = crate::cli::text::wrap(&clean, width.saturating_sub(column)).into_iter();
        let head = Line::new().with(ink, mark).with(Ink::Plain, format!(" {}", look.about)).pad_to(column);
        lines.push(head.with(Ink::Plain, texts.next().unwrap_or_default()));
        lines.extend(texts.map(|text| Line::new().pad_to(column).with(Ink::Plain, text)));
        if !look.hint.is_empty() {
            lines.extend(paragraph(&setup.paste.hint(&look.hint), column, width, Ink::Dim));
        }
    }
    lines.push(Line::new());
    lines.push(match findings {
        0 => Line::new().with(Ink::Good, "✓ ").followed_by(heading("nothing would stop a run now")),
        1 => Line::new().with(Ink::Bad, "✗ ").followed_by(heading("1 finding would stop a run")),
        several => {
            Line::new().with(Ink::Bad, "✗ ").followed_by(heading(&format!("{several} findings would stop runs")))
        }
    });
    lines
}
