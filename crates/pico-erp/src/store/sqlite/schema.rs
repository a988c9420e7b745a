//! The tables, and the steps that lead an older file to them. A step that was ever released is never changed; a
//! new one is added at the end. `PRAGMA user_version` counts the steps that a file has seen.

use rusqlite::{Connection, TransactionBehavior};

use super::failure::Failure;
use crate::error::{Error, ErrorKind};

/// "pico" in ASCII: how a file says that it is one of ours.
const APPLICATION_ID: i32 = 0x7069_636f;

const STEPS: &[&str] = &[
    include_str!("steps/1.sql"),
    include_str!("steps/2.sql"),
    include_str!("steps/3.sql"),
    include_str!("steps/4.sql"),
];

pub(super) fn migrate(connection: &mut Connection, failure: &Failure) -> Result<(), Error> {
    let failed = |error| failure.of("its tables cannot be brought up to date", error);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let version: u32 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(failed)?;
    let id: i32 = transaction.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(failed)?;
    let tables: i64 =
        transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if tables > 0 && id != APPLICATION_ID {
        return Err(Error::new(
            ErrorKind::StoreDamaged,
            "the file is an SQLite database of something else; it was left as it is: give another path",
        ));
    }
    let version = version as usize;
    if version > STEPS.len() {
        return Err(Error::new(
            ErrorKind::StoreVersion,
            format!(
                "the store has version {version}, this library knows {}; use a newer library",
                STEPS.len()
            ),
        ));
    }
    for (number, step) in (1_u32..).zip(STEPS).skip(version) {
        transaction.execute_batch(step).map_err(failed)?;
        transaction.pragma_update(None, "user_version", number).map_err(failed)?;
    }
    if id != APPLICATION_ID {
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}
