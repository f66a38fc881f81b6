//! What a database holds, read in one snapshot: counts and digests of its tables, and the digests of single rows. It reads
//! and never writes; rows themselves never leave the server, only their keys and digests do.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, SimpleQueryMessage};

use super::super::PostgresError;
use super::super::connect::explain;
use super::record::Table;

/// How each digest is made: what the text of a row depends on, and a statement a table. The script that makes a backup is
/// written with the very same files.
const SETTINGS: &str = include_str!("settings.sql");
const TABLES: &str = include_str!("tables.sql");

/// More rows than this are not compared one by one.
pub(super) const MOST_ROWS: i64 = 200_000;

/// A database that is being read.
pub(super) struct Content<'a> {
    client: &'a Client,
    what: &'a str,
}

impl<'a> Content<'a> {
    /// Begins to read: everything from here on is of one moment.
    pub(super) async fn begin(client: &'a Client, what: &'a str) -> Result<Self, PostgresError> {
        let content = Self { client, what };
        let begin = format!("{SETTINGS}\nbegin transaction isolation level repeatable read read only");
        client.batch_execute(&begin).await.map_err(|error| content.failed(&error))?;
        Ok(content)
    }

    fn failed(&self, error: &tokio_postgres::Error) -> PostgresError {
        PostgresError::Failed(format!("{} cannot be read: {}", self.what, explain(error)))
    }

    /// All of its tables, counted.
    pub(super) async fn tables(&self) -> Result<BTreeMap<String, Table>, PostgresError> {
        let mut tables = BTreeMap::new();
        for statement in self.column(TABLES).await? {
            for line in self.column(&statement).await? {
                let table: Table = serde_json::from_str(&line)
                    .map_err(|error| PostgresError::Failed(format!("{}: {error}", self.what)))?;
                tables.insert(table.table.clone(), table);
            }
        }
        Ok(tables)
    }

    /// How many rows one of its tables has; nothing where there is no such table.
    pub(super) async fn count(&self, table: &str) -> Result<Option<i64>, PostgresError> {
        let known = self.names().await?;
        if !known.contains_key(table) {
            return Ok(None);
        }
        let counted = self.column(&format!("select count(*)::text from only {table}")).await?;
        Ok(counted.first().and_then(|text| text.parse().ok()))
    }

    /// The digests of the rows of a table by their keys; of those keys alone, where some are given.
    pub(super) async fn rows(
        &self,
        table: &str,
        only: Option<&BTreeSet<&str>>,
    ) -> Result<BTreeMap<String, String>, PostgresError> {
        // The catalog says how the table and its key are written: a record's text never becomes a part of a statement.
        let Some(Some(key)) = self.names().await?.remove(table) else { return Ok(BTreeMap::new()) };
        let ask = format!(
            "select {key}, left(encode(sha256(convert_to(row(playbook_row.*)::text, 'UTF8')), 'hex'), 16) \
             from only {table} as playbook_row where $1::text[] is null or {key} = any($1)"
        );
        let only: Option<Vec<&str>> = only.map(|keys| keys.iter().copied().collect());
        let rows = self.client.query(&ask, &[&only]).await.map_err(|error| self.failed(&error))?;
        let pairs = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        pairs.collect::<Result<_, tokio_postgres::Error>>().map_err(|error| self.failed(&error))
    }

    /// Its tables, and how the key of each is written.
    async fn names(&self) -> Result<BTreeMap<String, Option<String>>, PostgresError> {
        // The same list of tables as above, without the statements around them.
        let list = TABLES.rsplit_once("\nfrom (").map_or("", |(_, list)| list);
        let ask = format!("select t.name, t.key from ({list}");
        let rows = self.client.query(&ask, &[]).await.map_err(|error| self.failed(&error))?;
        let pairs = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        pairs.collect::<Result<_, tokio_postgres::Error>>().map_err(|error| self.failed(&error))
    }

    async fn column(&self, statement: &str) -> Result<Vec<String>, PostgresError> {
        let messages = self.client.simple_query(statement).await.map_err(|error| self.failed(&error))?;
        let cell = |message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        Ok(messages.into_iter().filter_map(cell).collect())
    }
}

/// How many rows clients have changed in a database, by the server's own count; nothing where that cannot be told.
pub(super) async fn writes(client: &Client) -> Option<i64> {
    let ask = "select coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint from pg_catalog.pg_stat_user_tables \
               where schemaname <> 'playbook'";
    client.query_one(ask, &[]).await.ok().and_then(|row| row.try_get(0).ok())
}
