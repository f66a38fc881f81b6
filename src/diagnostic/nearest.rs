//! The word that was probably meant, for every message that says that a name is not there.

/// The name that is most like a given one, if any is near enough to have been meant.
pub fn nearest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = given.to_lowercase().replace('-', "_");
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| {
            let longest = name.chars().count().max(lower.chars().count());
            *distance <= 1 + longest / 4 && *distance * 2 <= longest
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
