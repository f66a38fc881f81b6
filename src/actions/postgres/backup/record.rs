//! What a backup's tables held when it was made, as the script that made it wrote it down: a line of JSON a table. It is
//! read where it lies, in pieces, as the answer of one look is bounded; it is never taken for more than a file from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::super::member::before_start;
use super::super::{Deadline, PostgresError};
use crate::actions::Context;
use crate::actions::command::{Command, Work, look};
use crate::inventory::Backup;

/// How much is read at once, and in all.
const PIECE: usize = 16 * 1024;
const MOST: usize = 8 * 1024 * 1024;

const READ: &str = r#"
LC_ALL=C; export LC_ALL
cd -P -- "$PLAYBOOK_FOLDER" || exit 96
here=$(pwd -P)
[ -f "$PLAYBOOK_FILE" ] && [ "$(readlink -f -- "$PLAYBOOK_FILE")" = "${here%/}/$PLAYBOOK_FILE" ] || { echo "there is no file $PLAYBOOK_FILE in $PLAYBOOK_FOLDER (a link is none)" >&2; exit 97; }
dd if="$PLAYBOOK_FILE" bs=16384 skip="$PLAYBOOK_PIECE" count=1 2>/dev/null | od -An -v -tx1
"#;

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Table {
    pub(super) table: String,
    pub(super) rows: i64,
    pub(super) digest: String,
    /// Whether its rows have keys by which they can be named.
    pub(super) keyed: bool,
    /// The digests of some rows, by key.
    #[serde(default)]
    pub(super) sample: BTreeMap<String, String>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// When the backup was made, as its script says.
    pub(super) taken: Option<String>,
    pub(super) tables: BTreeMap<String, Table>,
}

impl Record {
    pub(super) fn rows(&self) -> i64 {
        self.tables.values().fold(0, |sum: i64, table| sum.saturating_add(table.rows))
    }

    /// Reads it from the backup's host.
    pub(super) async fn of(context: &Context, backup: &Backup, limit: Duration) -> Result<Self, PostgresError> {
        let deadline = Deadline::after(limit);
        let mut bytes = Vec::new();
        for piece in 0.. {
            let command = Command {
                host: backup.host.clone(),
                work: Work::Script(READ.to_owned()),
                environment: vec![
                    ("PLAYBOOK_FOLDER".to_owned(), backup.path.display().to_string()),
                    ("PLAYBOOK_FILE".to_owned(), backup.tables.clone()),
                    ("PLAYBOOK_PIECE".to_owned(), piece.to_string()),
                ],
                shell: None,
                become_user: None,
            };
            let ended = look(&context.quiet(), &command, deadline.left()).await.map_err(before_start)?;
            let read = (ended.exit_code == Some(0)).then(|| of_hexadecimal(&ended.output.stdout.text)).flatten();
            let read = read.ok_or_else(|| {
                let why = ended.last_words();
                PostgresError::Refused(format!(
                    "what the backup's tables held ({}) cannot be read: {why}",
                    backup.tables
                ))
            })?;
            bytes.extend_from_slice(&read);
            if read.len() < PIECE {
                break;
            }
            if bytes.len() > MOST {
                return Err(PostgresError::Refused(format!("{} is larger than 8 MiB", backup.tables)));
            }
        }
        Self::read(&bytes).map_err(|why| PostgresError::Refused(format!("{}: {why}", backup.tables)))
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            taken: String,
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is no text in UTF-8".to_owned())?;
        let mut record = Self::default();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let bad = |why: String| format!("line {}: {why}", number + 1);
            if let Ok(head) = serde_json::from_str::<Head>(line) {
                record.taken = Some(head.taken.chars().filter(|c| !c.is_control()).take(60).collect());
                continue;
            }
            let table: Table = serde_json::from_str(line).map_err(|error| bad(error.to_string()))?;
            if record.tables.insert(table.table.clone(), table).is_some() {
                return Err(bad("this table stands there twice".to_owned()));
            }
        }
        if record.tables.is_empty() { Err("it names no table".to_owned()) } else { Ok(record) }
    }
}

fn of_hexadecimal(text: &str) -> Option<Vec<u8>> {
    text.split_ascii_whitespace().map(|byte| u8::from_str_radix(byte, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_and_a_forged_one_is_none() {
        let line = r#"{"table": "public.t", "rows": 2, "digest": "12", "keyed": true, "sample": {"1": "ab"}}"#;
        let record = Record::read(format!("{{\"taken\": \"2026-11-22\"}}\n{line}\n").as_bytes()).unwrap();
        assert_eq!((record.taken.as_deref(), record.rows()), (Some("2026-11-22"), 2));
        assert!(Record::read(format!("{line}\n{line}\n").as_bytes()).unwrap_err().contains("twice"));
        for bad in ["", "{}", "[]", "\u{0}", "{\"table\": 1}", &"[".repeat(5000)] {
            assert!(Record::read(bad.as_bytes()).is_err(), "{bad:.20}");
        }
        assert!(Record::read(b"\xff\xfe").is_err());
        assert_eq!(of_hexadecimal(" 00 ff\n 0a"), Some(vec![0, 255, 10]));
        assert_eq!(of_hexadecimal("zz"), None);
    }
}
