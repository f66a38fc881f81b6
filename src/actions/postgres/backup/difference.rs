//! How what was restored differs from what was written down when the backup was made (damage), and from what is live (what a
//! switch loses). Names rows by their keys, a bounded number of them; it decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::super::PostgresError;
use super::content::{Content, MOST_ROWS};
use super::record::{Record, Table};
use crate::value::counted;

/// How many rows are named, in all and of one table.
pub(super) const MOST_NAMES: usize = 20;

/// What is damaged.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) tables: BTreeSet<String>,
    pub(super) rows: Vec<String>,
    /// A sentence a table.
    pub(super) told: Vec<String>,
}

impl Damage {
    fn of_table(&mut self, table: &str, told: String) {
        self.tables.insert(table.to_owned());
        self.told.push(format!("{}: {told}", short(table)));
    }
}

/// Holds what was restored to the record.
///
/// # Errors
/// When the restored database cannot be read.
pub(super) async fn damage(
    record: &Record,
    restored: &BTreeMap<String, Table>,
    content: &Content<'_>,
    live: Option<&Content<'_>>,
) -> Result<Damage, PostgresError> {
    let mut damage = Damage::default();
    for (name, was) in &record.tables {
        let Some(is) = restored.get(name) else {
            damage.of_table(name, format!("the table is not there (it had {})", counted(was.rows, "row")));
            continue;
        };
        if (was.rows, &was.digest) == (is.rows, &is.digest) {
            continue;
        }
        let sampled: BTreeSet<&str> = was.sample.keys().map(String::as_str).collect();
        let found = if is.keyed { content.rows(name, Some(&sampled)).await? } else { BTreeMap::new() };
        let mut named = of_sample(was, is, &found);
        if named.is_empty()
            && let Some(live) = live
        {
            named = beside_live(name, was, is, content, live).await;
        }
        let mut told = if was.rows == is.rows {
            {
                let them = if is.rows == 1 { "it" } else { "them" };
                format!("{}, as recorded, but not what was in {them}", counted(is.rows, "row"))
            }
        } else {
            let were = if was.rows == 1 { "was" } else { "were" };
            format!("{}, where {} {were} recorded", counted(is.rows, "row"), was.rows)
        };
        if named.is_empty() {
            told.push_str("; which rows cannot be told");
        } else {
            let more = named.len().saturating_sub(MOST_NAMES);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            told.push_str(&format!(
                "; {}{more}",
                named.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ")
            ));
        }
        damage.rows.extend(named.iter().take(MOST_NAMES).map(|row| format!("{} {row}", short(name))));
        damage.of_table(name, told);
    }
    for name in restored.keys().filter(|name| !record.tables.contains_key(*name)) {
        damage.of_table(name, "a table that was not recorded".to_owned());
    }
    while damage.tables.len() > 5 * MOST_NAMES {
        damage.tables.pop_last();
    }
    damage.rows.truncate(5 * MOST_NAMES);
    damage.told.truncate(MOST_NAMES);
    Ok(damage)
}

/// The rows of the sample that are not as they were.
fn of_sample(was: &Table, is: &Table, found: &BTreeMap<String, String>) -> Vec<String> {
    let mut named = Vec::new();
    for (key, digest) in &was.sample {
        match found.get(key) {
            Some(now) if now == digest => {}
            Some(_) => named.push(format!("row {} is another one", short(key))),
            None if is.keyed => named.push(format!("row {} is missing", short(key))),
            None => {}
        }
    }
    // The sample is of the rows with the lowest hashes: one below its end that is not in it was not there.
    let hash = |key: &str| Sha256::digest(key.as_bytes()).to_vec();
    let end = was.sample.keys().map(|key| hash(key)).max();
    let whole = i64::try_from(was.sample.len()).is_ok_and(|sampled| sampled == was.rows);
    let odd = is
        .sample
        .keys()
        .filter(|key| !was.sample.contains_key(*key) && (whole || end.as_ref().is_some_and(|end| hash(key) < *end)));
    named.extend(odd.map(|key| format!("row {} was not there", short(key))));
    named
}

/// The damage lies outside of the sample: what differs from the live rows is where to look.
async fn beside_live(name: &str, was: &Table, is: &Table, content: &Content<'_>, live: &Content<'_>) -> Vec<String> {
    if was.rows.max(is.rows) > MOST_ROWS {
        return Vec::new();
    }
    let (Ok(ours), Ok(theirs)) = (content.rows(name, None).await, live.rows(name, None).await) else {
        return Vec::new();
    };
    let differs = theirs.iter().filter(|(key, digest)| ours.get(*key).is_some_and(|ours| ours != *digest));
    differs.map(|(key, _)| format!("row {} is not in the sample and differs from the live one", short(key))).collect()
}

/// What a switch from the live database to the restored one means.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    /// Rows that only the live one has, rows that differ, rows that only the restored one has.
    pub(super) lost: i64,
    pub(super) changed: i64,
    pub(super) returning: i64,
    /// The first of them, by key.
    pub(super) names: Vec<String>,
    /// Why not all of it is known.
    pub(super) unknown: Vec<String>,
}

impl Loss {
    /// In a sentence, for a person who has to accept it.
    pub(super) fn told(&self) -> String {
        let mut told = match (self.lost, self.changed, self.returning) {
            (0, 0, 0) if self.unknown.is_empty() => {
                "nothing was written to the live database since the backup".to_owned()
            }
            (0, 0, 0) => "no row is known to be lost".to_owned(),
            (lost, changed, returning) => format!(
                "{} of the live database {} not in the backup and {changed} {} there; {} that {} deleted since would come back",
                counted(lost, "row"),
                if lost == 1 { "is" } else { "are" },
                if changed == 1 { "is another one" } else { "are other ones" },
                counted(returning, "row"),
                if returning == 1 { "was" } else { "were" },
            ),
        };
        if !self.names.is_empty() {
            told.push_str(&format!(" ({})", self.names.join(", ")));
        }
        if !self.unknown.is_empty() {
            told.push_str(&format!("; not known: {}", self.unknown.join("; ")));
        }
        told
    }

    fn name(&mut self, table: &str, key: &str, what: &str) {
        if self.names.len() < MOST_NAMES {
            self.names.push(format!("{} {} {what}", short(table), short(key)));
        }
    }
}

/// Compares the live database with the restored one, row by row where there are not too many.
pub(super) async fn loss(restored: (&BTreeMap<String, Table>, &Content<'_>), live: &Content<'_>) -> Loss {
    let mut loss = Loss::default();
    let live_tables = match live.tables().await {
        Ok(tables) => tables,
        Err(error) => {
            loss.unknown.push(error.to_string());
            return loss;
        }
    };
    let (ours, content) = restored;
    for (name, now) in &live_tables {
        let Some(is) = ours.get(name) else {
            loss.lost += now.rows;
            loss.names.push(format!("the whole table {}", short(name)));
            continue;
        };
        if (now.rows, &now.digest) == (is.rows, &is.digest) {
            continue;
        }
        if !(now.keyed && is.keyed) || now.rows.max(is.rows) > MOST_ROWS {
            loss.unknown.push(format!(
                "{} has {} live and {} in the backup, and was not compared row by row",
                short(name),
                counted(now.rows, "row"),
                is.rows
            ));
            continue;
        }
        match (live.rows(name, None).await, content.rows(name, None).await) {
            (Ok(theirs), Ok(ours)) => count(&mut loss, name, &theirs, &ours),
            (Err(error), _) | (_, Err(error)) => loss.unknown.push(error.to_string()),
        }
    }
    let gone = ours.iter().filter(|(name, _)| !live_tables.contains_key(*name));
    loss.returning += gone.map(|(_, table)| table.rows).sum::<i64>();
    loss
}

fn count(loss: &mut Loss, table: &str, live: &BTreeMap<String, String>, restored: &BTreeMap<String, String>) {
    for (key, digest) in live {
        match restored.get(key) {
            Some(ours) if ours == digest => {}
            Some(_) => {
                loss.changed += 1;
                loss.name(table, key, "changed");
            }
            None => {
                loss.lost += 1;
                loss.name(table, key, "lost");
            }
        }
    }
    for key in restored.keys().filter(|key| !live.contains_key(*key)) {
        loss.returning += 1;
        loss.name(table, key, "back");
    }
}

/// A name or a key, in a length that a line can bear.
fn short(text: &str) -> String {
    if text.chars().count() <= 80 { text.to_owned() } else { text.chars().take(79).collect::<String>() + "…" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: i64, sample: &[(&str, &str)]) -> Table {
        let sample = sample.iter().map(|(key, digest)| ((*key).to_owned(), (*digest).to_owned())).collect();
        Table { table: "public.t".to_owned(), rows, digest: rows.to_string(), keyed: true, sample }
    }

    #[test]
    fn rows_of_the_sample_are_named() {
        let was = table(3, &[("1", "a"), ("2", "b"), ("3", "c")]);
        let is = table(3, &[("1", "a"), ("2", "x"), ("9", "y")]);
        let found = [("1", "a"), ("2", "x")].map(|(key, digest)| (key.to_owned(), digest.to_owned())).into();
        assert_eq!(of_sample(&was, &is, &found), ["row 2 is another one", "row 3 is missing", "row 9 was not there"]);
    }

    #[test]
    fn what_is_lost_is_counted_and_named() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, digest)| ((*key).to_owned(), (*digest).to_owned())).collect()
        };
        let mut loss = Loss::default();
        count(
            &mut loss,
            "public.t",
            &map(&[("1", "a"), ("2", "b"), ("4", "d")]),
            &map(&[("1", "a"), ("2", "x"), ("3", "c")]),
        );
        assert_eq!((loss.lost, loss.changed, loss.returning), (1, 1, 1));
        assert!(
            loss.told().contains("public.t 4 lost") && loss.told().contains("public.t 2 changed"),
            "{}",
            loss.told()
        );
        assert!(Loss::default().told().contains("nothing was written"));
    }
}
