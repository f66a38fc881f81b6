//! `explain`: the page of a code of lint: what it means, why it matters, and how it is mended.

use crate::cli::args::Explain;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::files::nearest;
use crate::cli::setup::Setup;
use crate::cli::text::{Ink, Line};
use crate::cli::view::{heading, paragraph};
use crate::playbook::{self, Page};

/// Shows a page, or lists them all.
///
/// # Errors
/// When there is no such code.
pub fn explain(setup: &Setup, args: &Explain) -> Result<Exit, Failure> {
    let width = setup.screen.text_width();
    let Some(code) = &args.code else {
        let pages = playbook::pages();
        let widest = pages.iter().map(|page| page.code.len()).max().unwrap_or(0);
        let lines: Vec<Line> = pages
            .iter()
            .map(|page| {
                let first = page.means.split(". ").next().unwrap_or(page.means).trim_end_matches('.');
                Line::new().with(Ink::Bold, page.code).pad_to(widest + 2).with(Ink::Plain, first)
            })
            .collect();
        setup.screen.print(&lines);
        return Ok(Exit::Success);
    };
    let Some(page) = playbook::page(code) else { return Err(no_code(code)) };
    setup.screen.print_whole(&lines(page, width));
    Ok(Exit::Success)
}

fn lines(page: &Page, width: usize) -> Vec<Line> {
    let mut lines = vec![heading(page.code)];
    lines.extend(paragraph(page.means, 2, width, Ink::Plain));
    lines.push(Line::new());
    lines.push(heading("Why"));
    lines.extend(paragraph(page.why, 2, width, Ink::Plain));
    for (title, example, ink) in [("Instead of", page.bad, Ink::Bad), ("write", page.good, Ink::Good)] {
        if !example.is_empty() {
            lines.push(Line::new());
            lines.push(heading(title));
            lines.extend(example.lines().map(|line| Line::plain("  ").with(ink, line)));
        }
    }
    lines
}

fn no_code(code: &str) -> Failure {
    let failure = Failure::new(Exit::NotFound, format!("lint has no code `{code}`"));
    let near = nearest(code, playbook::pages().into_iter().map(|page| page.code));
    let failure =
        if near.is_empty() { failure } else { failure.meaning(format!("codes like it: {}", near.join(", "))) };
    failure.next("playbook explain     (all codes)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::text::Look;

    #[test]
    fn a_page_says_what_why_and_what_instead() {
        let page = playbook::page("no-rollback").unwrap();
        let look = Look { color: false, unicode: true, width: None };
        let shown: String = lines(page, 80).iter().map(|line| line.render(&look) + "\n").collect();
        insta::assert_snapshot!(shown);
    }
}
