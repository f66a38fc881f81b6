//! Backups of a database: restored beside it, compared, switched in. Until the switch nothing here writes to the live
//! database, and nothing here ever drops it: what was live stays, under another name.

mod by_hand;
mod compare;
mod content;
mod difference;
mod names;
mod record;
mod restore;
mod room;
mod swap;
mod swapping;

use std::time::Duration;

use tokio_postgres::Client;

pub use compare::Compare;
pub use restore::Restore;
pub use swap::Swap;

use super::cluster::View;
use super::connect::{assert_identity, connect, database, member};
use super::{PostgresError, needed};
use crate::actions::Context;
use crate::inventory::{Backup, Database, Member};
use crate::value::Value;

/// The database of a cluster, at the member that takes writes.
struct Stand<'a> {
    database: &'a Database,
    primary: String,
    member: &'a Member,
    view: View,
}

impl<'a> Stand<'a> {
    /// Finds the primary.
    async fn of(context: &'a Context, arguments: &'a Value) -> Result<Self, PostgresError> {
        let cluster = needed(arguments, "cluster")?;
        let found = database(&context.inventory, cluster)?;
        let view = View::of(&context.inventory, cluster).await?;
        let primary = view.primary().map(str::to_owned).ok_or_else(|| {
            let count = view.primaries().len();
            PostgresError::Unreachable(format!("{cluster} has {count} members that take writes, not one"))
        })?;
        view.hold_to_identity(&primary)?;
        let member = member(found, cluster, &primary)?;
        Ok(Self { database: found, primary, member, view })
    }

    /// A connection to one of its databases, on which it has said whose server it is.
    async fn connect(&self, context: &Context, dbname: &str, limit: Duration) -> Result<Client, PostgresError> {
        let place = (self.member.address.as_str(), self.member.port);
        let client = connect(self.database, &context.inventory, place, dbname, limit).await?;
        assert_identity(&client, &self.primary, self.view.system_identifier.as_deref()).await?;
        Ok(client)
    }

    /// A connection from which any database of its own can be renamed or dropped.
    async fn connect_aside(&self, context: &Context, limit: Duration) -> Result<Client, PostgresError> {
        // A database cannot be renamed by who is connected to it.
        let aside = if self.database.dbname == "postgres" { "template1" } else { "postgres" };
        self.connect(context, aside, limit).await
    }
}

/// The backup that a step means, which has to be of its cluster.
fn backup_of<'a>(context: &'a Context, arguments: &Value) -> Result<&'a Backup, PostgresError> {
    let (cluster, name) = (needed(arguments, "cluster")?, needed(arguments, "backup")?);
    let backup = context.inventory.backup(name).map_err(|error| PostgresError::Invalid(error.to_string()))?;
    if backup.database != cluster {
        return Err(PostgresError::Invalid(format!(
            "the backup {name} is of {}, not of {cluster}: it would be restored into another cluster's server",
            backup.database
        )));
    }
    Ok(backup)
}
