//! What the databases beside a live one are called, who made them, and how a name stands in a statement. It only writes text
//! and looks into the catalog.

use tokio_postgres::Client;

use super::super::PostgresError;
use super::super::connect::explain;

/// PostgreSQL cuts names off here, in bytes.
const LONGEST: usize = 63;

/// The name of a database beside a live one: `orders_restore_20261122_152030_k3f9`.
pub(super) fn beside(live: &str, word: &str, label: &str) -> Result<String, PostgresError> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let tail = format!("_{word}_{}", label.chars().map(plain).collect::<String>());
    if label.is_empty() || tail.len() > 48 {
        return Err(PostgresError::Invalid(format!(
            "`label` becomes a part of a database's name, and has from 1 to {} letters and digits; {{{{run.id}}}} is one",
            48 - word.len() - 2
        )));
    }
    let mut head = live;
    while head.len() + tail.len() > LONGEST {
        head = head.get(..head.len() - 1).unwrap_or_else(|| head.trim_end_matches(|c: char| !c.is_ascii()));
    }
    Ok(format!("{head}{tail}"))
}

/// What stands on a database that a restore made.
pub(super) fn mark(label: &str) -> String {
    let plain: String = label.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    format!("made by the playbook run {plain} from a backup")
}

/// A name as a statement has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text of ours as a statement has it: letters, digits, blanks and a few marks.
pub(super) fn literal(text: &str) -> String {
    let plain: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || " -:_.,;".contains(*c)).collect();
    format!("'{plain}'")
}

/// A database of the cluster, as the catalog has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) oid: u32,
    pub(super) comment: Option<String>,
    pub(super) sessions: i64,
}

/// Looks a database up by its name.
pub(super) async fn find(client: &Client, name: &str) -> Result<Option<Found>, PostgresError> {
    let ask = "select d.oid, pg_catalog.shobj_description(d.oid, 'pg_database'), (select count(*) from \
               pg_catalog.pg_stat_activity a where a.datid = d.oid and a.pid <> pg_catalog.pg_backend_pid() \
               and a.backend_type = 'client backend') \
               from pg_catalog.pg_database d where d.datname = $1";
    let row = client.query_opt(ask, &[&name]).await.map_err(|error| PostgresError::Unreachable(explain(&error)))?;
    let Some(row) = row else { return Ok(None) };
    let read = || {
        Ok::<_, tokio_postgres::Error>(Found {
            oid: row.try_get(0)?,
            comment: row.try_get(1)?,
            sessions: row.try_get(2)?,
        })
    };
    read().map(Some).map_err(|error| PostgresError::Unreachable(explain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_beside_fits_and_tells_the_run() {
        let name = beside("orders", "restore", "20261122-152030-k3f9").unwrap();
        assert_eq!(name, "orders_restore_20261122_152030_k3f9");
        for live in [&"x".repeat(63), &"ä".repeat(31), &"日".repeat(21)] {
            let name = beside(live, "restore", "20261122-152030-k3f9").unwrap();
            assert!(name.len() <= LONGEST && name.ends_with("_restore_20261122_152030_k3f9"), "{name}");
        }
        assert!(beside("orders", "restore", "").is_err());
        assert!(beside("orders", "restore", &"x".repeat(60)).is_err());
    }

    #[test]
    fn a_hostile_name_stays_a_name() {
        assert_eq!(quoted("a\"; drop database b; --"), "\"a\"\"; drop database b; --\"");
        assert_eq!(literal("it's \\ $(x)"), "'its  x'");
        assert_eq!(beside("o", "kept", "x'; drop").unwrap(), "o_kept_x___drop");
    }
}
