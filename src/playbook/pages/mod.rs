//! What each code of lint means, why it matters, and how it is mended: `playbook explain CODE`. Pure data; tests hold that
//! no code is without a page, and that the examples do what the pages say.

mod brakes;
mod form;
mod groups;
mod nested;
mod order;
mod steps;
#[cfg(test)]
mod tests;
mod triggers;
mod values;

/// The page of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The code, as lint prints it.
    pub code: &'static str,
    /// What it means, in a sentence or two.
    pub means: &'static str,
    /// Why lint says so.
    pub why: &'static str,
    /// What gives it: a part of a playbook. Empty where it cannot be shown in a few lines.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
}

const fn page_of(
    code: &'static str,
    means: &'static str,
    why: &'static str,
    bad: &'static str,
    good: &'static str,
) -> Page {
    Page { code, means, why, bad, good }
}

/// All pages, by their codes.
pub fn pages() -> Vec<&'static Page> {
    let rooms = [
        form::PAGES,
        values::PAGES,
        steps::PAGES,
        order::PAGES,
        groups::PAGES,
        nested::PAGES,
        brakes::PAGES,
        triggers::PAGES,
    ];
    let mut all: Vec<&Page> = rooms.into_iter().flatten().collect();
    all.sort_by_key(|page| page.code);
    all
}

/// The page of a code.
pub fn page(code: &str) -> Option<&'static Page> {
    pages().into_iter().find(|page| page.code == code)
}
