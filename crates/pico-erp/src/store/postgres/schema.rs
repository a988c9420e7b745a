//! The tables, and the steps that lead an older database to them. A step that was ever released is never changed; a new one
//! is added at the end. The table `version` counts the steps that a database has seen.

use tokio_postgres::Client;

use super::address::Address;
use super::failure::failure;
use crate::error::{Error, ErrorKind};

const STEPS: &[&str] = &[include_str!("steps/1.sql")];

/// "pico" in ASCII: the advisory lock that one process at a time changes the tables under.
const LOCK: i64 = 0x7069_636f;

/// Brings the tables up to date; makes none and changes none when they `must_exist`.
pub(super) async fn migrate(client: &mut Client, address: &Address, must_exist: bool) -> Result<(), Error> {
    // A role that may not make tables is enough where they are up to date.
    match version(client, address).await? {
        Some(version) if version == STEPS.len() => return Ok(()),
        Some(version) => check(address, version, must_exist)?,
        None if must_exist => {
            return Err(Error::invalid(
                "store",
                format!("{address}: there are no tables of a store in the schema \"{}\"", address.schema),
            ));
        }
        None => {}
    }
    let failed = |error: tokio_postgres::Error| failure(address, "its tables cannot be made", &error);
    let transaction = client.transaction().await.map_err(failed)?;
    // Two nodes that start together: the second waits, and finds the work done. It may take longer than a statement may.
    transaction
        .batch_execute(&format!("SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock({LOCK})"))
        .await
        .map_err(failed)?;
    let schema = &address.schema;
    let exists = transaction
        .query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[schema])
        .await
        .map_err(failed)?;
    if exists.is_none() {
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await.map_err(failed)?;
    }
    transaction
        .batch_execute(&format!("CREATE TABLE IF NOT EXISTS {schema}.version (steps integer NOT NULL)"))
        .await
        .map_err(failed)?;
    let seen = transaction.query_opt("SELECT steps FROM version", &[]).await.map_err(failed)?;
    let seen = seen.map_or(0, |row| usize::try_from(row.get::<_, i32>(0)).unwrap_or_default());
    check(address, seen, false)?;
    for step in STEPS.iter().skip(seen) {
        transaction.batch_execute(step).await.map_err(failed)?;
    }
    transaction
        .batch_execute(&format!("DELETE FROM version; INSERT INTO version VALUES ({})", STEPS.len()))
        .await
        .map_err(failed)?;
    transaction.commit().await.map_err(failed)
}

fn check(address: &Address, version: usize, must_exist: bool) -> Result<(), Error> {
    let known = STEPS.len();
    if version > known {
        return Err(address.error(
            ErrorKind::StoreVersion,
            format!("the store has version {version}, this library knows {known}; use a newer library"),
        ));
    }
    if must_exist && version < known {
        return Err(address.error(
            ErrorKind::StoreVersion,
            format!(
                "the store has version {version}, this library needs {known}; let its owner open it once, without \"must exist\""
            ),
        ));
    }
    Ok(())
}

/// How many steps the database has seen; `None` when there is no store.
async fn version(client: &Client, address: &Address) -> Result<Option<usize>, Error> {
    let failed = |error: tokio_postgres::Error| failure(address, "its version cannot be read", &error);
    let table = format!("{}.version", address.schema);
    let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await.map_err(failed)?;
    if !there.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_opt("SELECT steps FROM version", &[]).await.map_err(failed)?;
    Ok(row.map(|row| usize::try_from(row.get::<_, i32>(0)).unwrap_or_default()))
}
