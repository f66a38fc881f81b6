//! What a restore runs into: the room on the disk of the server, and a dump that `pg_restore` cannot read. Looks on hosts,
//! which change nothing.

use std::time::Duration;

use super::super::PostgresError;
use super::super::member::{LOOK, as_owner, before_start};
use crate::actions::Context;
use crate::actions::command::{Command, Work, look};
use crate::inventory::{Backup, Inventory, Member};

const FREE: &str = r#"df -Pk -- "$PLAYBOOK_DATA" | awk 'NR == 2 { printf "%.0f\n", $4 * 1024 }'"#;

/// The free bytes on the disk of a member's data folder, if its host tells.
pub(super) async fn free_bytes(context: &Context, member: &Member) -> Option<i64> {
    let ended = look(&context.quiet(), &as_owner(member, FREE, &[]), LOOK).await.ok()?;
    ended.output.stdout.text.trim().parse().ok()
}

/// `pg_restore` with its arguments, on the backup's host.
pub(super) fn pg_restore(
    inventory: &Inventory,
    backup: &Backup,
    more: Vec<String>,
    password: Option<String>,
) -> Command {
    let program = backup.programs(inventory).map(|folder| folder.join("pg_restore").display().to_string());
    let mut argv = vec![program.unwrap_or_else(|| "pg_restore".to_owned())];
    argv.extend(more);
    argv.push(dump(backup));
    let mut environment =
        vec![("LC_ALL".to_owned(), "C".to_owned()), ("PGCONNECT_TIMEOUT".to_owned(), "10".to_owned())];
    environment.extend(password.map(|password| ("PGPASSWORD".to_owned(), password)));
    Command { host: backup.host.clone(), work: Work::Argv(argv), environment, shell: None, become_user: None }
}

/// The whole path of a backup's dump.
pub(super) fn dump(backup: &Backup) -> String {
    backup.path.join(&backup.dump).display().to_string()
}

/// What a dump says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) entries: Option<i64>,
    pub(super) created: Option<String>,
    pub(super) from_version: Option<String>,
}

/// Lets `pg_restore` read the dump's table of contents.
pub(super) async fn contents(context: &Context, backup: &Backup) -> Result<Contents, PostgresError> {
    // The list itself may be long: its head has what is asked for.
    let command = pg_restore(&context.inventory, backup, vec!["--list".to_owned()], None);
    let ended = look(&context.quiet(), &command, Duration::from_secs(12)).await.map_err(before_start)?;
    if ended.exit_code != Some(0) {
        return Err(PostgresError::Refused(format!(
            "{} is no dump that pg_restore can read (one of pg_dump -Fc or -Fd; a plain one is a program for psql and is not \
             run): {}",
            dump(backup),
            ended.last_words()
        )));
    }
    Ok(read(&ended.output.stdout.text))
}

fn read(text: &str) -> Contents {
    let value = |name: &str| {
        let line = text.lines().take(30).find_map(|line| line.trim_start_matches([';', ' ']).strip_prefix(name));
        line.map(|rest| rest.trim_start_matches(':').trim().chars().take(60).collect::<String>())
    };
    Contents {
        entries: value("TOC Entries").and_then(|text| text.parse().ok()),
        created: value("Archive created at"),
        from_version: value("Dumped from database version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_contents_is_read() {
        let text = ";\n; Archive created at 2026-11-22 10:00:00 UTC\n;     dbname: orders\n;     TOC Entries: 12\n;     Dumped from \
                    database version: 15.8 (Debian)\n";
        let contents = read(text);
        assert_eq!(contents.entries, Some(12));
        assert_eq!(contents.created.as_deref(), Some("2026-11-22 10:00:00 UTC"));
        assert_eq!(contents.from_version.as_deref(), Some("15.8 (Debian)"));
        assert_eq!(read(""), Contents::default());
    }
}
