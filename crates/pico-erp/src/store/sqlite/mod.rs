//! SQLite as a [`Backend`]: opening with the right pragmas, transactions, and what to do about a damaged file.
//!
//! Sources: sqlite.org, "Write-Ahead Logging" and "PRAGMA synchronous": with `WAL` and `FULL` a transaction is synced
//! before its commit returns, with `NORMAL` it survives the process but not a power cut.

mod failure;
mod inbox;
mod operations;
mod outbox;
mod schema;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

use super::Role;
use super::backend::{Backend, OldestUnsettled};
use super::candidacy::Tenure;
use super::writer::Durability;
use crate::error::{Error, ErrorKind};
use failure::Failure;

/// How long to wait for another process's transaction.
const BUSY: Duration = Duration::from_secs(10);
/// The write-ahead log is cut back to this size after a checkpoint.
const WAL_LIMIT: i64 = 16 << 20;
/// How many pages are given back in one transaction, so that nobody waits long for it.
const VACUUM_PAGES: u32 = 1000;
/// The plant without a name, which every store has.
const FIRST_PLANT: i64 = 1;
/// What SQLite and this library put beside the file.
const COMPANIONS: &[&str] = &["-wal", "-shm"];

pub(super) struct Sqlite {
    connection: Connection,
    failure: Failure,
    durability: Option<Durability>,
    /// The plant whose rows are worked on.
    plant: i64,
    /// The numbers of plants by name. Forgotten when something is undone, for that may have been their making.
    plants: HashMap<String, i64>,
}

/// How to open a file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    pub(super) must_exist: bool,
    /// In bytes.
    pub(super) max_size: Option<u64>,
}

/// Opens or makes the file, and brings it to the newest version.
pub(super) fn open(path: &Path, settings: Settings) -> Result<Sqlite, Error> {
    let failure = Failure::new(path);
    if settings.must_exist && !path.exists() {
        return Err(Error::invalid("path", format!("there is no store at {}", path.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        // One thread at a time uses the connection, as the borrow checker sees to.
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|error| failure.of("cannot be opened", error))?;
    // Before the file is looked at, which makes companions of it, and these would belong to the wrong user.
    if connection.is_readonly("main").unwrap_or(false) {
        return Err(Error::new(
            ErrorKind::StoreReadOnly,
            format!("{}: the file may not be written by this process", path.display()),
        ));
    }
    let mut store =
        Sqlite { connection, failure, durability: None, plant: FIRST_PLANT, plants: HashMap::new() };
    store.prepare(settings.max_size).map_err(|error| store.failure.of("cannot be opened", error))?;
    schema::migrate(&mut store.connection, &store.failure)?;
    Ok(store)
}

/// Moves the file and its companions to a name that tells when.
pub(super) fn set_aside(path: &Path, now: Timestamp) -> Result<PathBuf, Error> {
    let with = |suffix: &str| -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    };
    let time = now.strftime("%Y%m%dT%H%M%SZ");
    let target = with(&format!(".set-aside-{time}"));
    let move_away = |from: &Path, to: &Path| {
        if to.exists() {
            return Err(Error::new(ErrorKind::Store, format!("{}: is there already", to.display())));
        }
        std::fs::rename(from, to).map_err(|error| {
            Error::new(ErrorKind::Store, format!("{}: cannot be moved", from.display())).with_source(error)
        })
    };
    move_away(path, &target)?;
    for companion in COMPANIONS {
        let from = with(companion);
        if from.exists() {
            move_away(&from, &with(&format!(".set-aside-{time}{companion}")))?;
        }
    }
    Ok(target)
}

impl Sqlite {
    fn prepare(&mut self, max_size: Option<u64>) -> rusqlite::Result<()> {
        let connection = &self.connection;
        connection.busy_timeout(BUSY)?;
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        if pages == 0 {
            // So that the file can shrink when completions are expired. Has an effect only before the first table, and
            // writes to the file even where it has none.
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        }
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // macOS: only F_FULLFSYNC gets past the disk's own cache.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        connection.pragma_update(None, "journal_size_limit", WAL_LIMIT)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.set_prepared_statement_cache_capacity(64);
        if let Some(bytes) = max_size {
            let page: i64 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
            let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page;
            // Never below what the file has; then it does not grow.
            connection.pragma_update(None, "max_page_count", pages.max(1))?;
        }
        // Reads every page once; a damaged file is found here and not in the middle of the night.
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                Some(found),
            ));
        }
        Ok(())
    }

    /// Runs a statement that gives nothing back.
    fn run(&self, sql: &str) -> Result<(), Error> {
        let ran = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        ran.map(|_| ()).map_err(|error| self.failure.of("a transaction failed", error))
    }
}

impl Backend for Sqlite {
    fn begin(&mut self, durability: Durability) -> Result<(), Error> {
        if self.durability != Some(durability) {
            // Only between transactions.
            let level = if durability == Durability::Disk { "FULL" } else { "NORMAL" };
            self.connection
                .pragma_update(None, "synchronous", level)
                .map_err(|error| self.failure.of("a transaction failed", error))?;
            self.durability = Some(durability);
        }
        self.run("BEGIN IMMEDIATE")
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.run("COMMIT")
    }

    fn roll_back(&mut self) {
        self.plants.clear();
        if !self.connection.is_autocommit() {
            // After some failures SQLite has rolled back by itself, and there is nothing left to do.
            let _ = self.run("ROLLBACK");
        }
    }

    fn save_point(&mut self) -> Result<(), Error> {
        self.run("SAVEPOINT work")
    }

    fn keep(&mut self) -> Result<(), Error> {
        self.run("RELEASE work")
    }

    fn undo(&mut self) -> Result<(), Error> {
        self.plants.clear();
        self.run("ROLLBACK TO work")?;
        self.run("RELEASE work")
    }

    fn close(self: Box<Self>) {
        if let Err((_, error)) = self.connection.close() {
            tracing::warn!(%error, "the store was not closed cleanly; it is read from its log next time");
        }
    }

    fn oldest_unsettled(&mut self) -> Result<OldestUnsettled, Error> {
        let oldest = |sql| {
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([self.plant], |row| row.get(0))
        };
        let read = || -> rusqlite::Result<OldestUnsettled> {
            Ok(OldestUnsettled {
                completion: oldest(
                    "SELECT min(arrived_us) FROM inbox WHERE plant = ?1 AND state IN (0, 1, 2)",
                )?,
                // Each by the index of its state; an index of all three there is none.
                order: oldest(
                    "SELECT min(queued) FROM (SELECT min(queued_us) AS queued FROM outbox WHERE plant = ?1 AND state = 0 \
                     UNION ALL SELECT min(queued_us) FROM outbox WHERE plant = ?1 AND state = 1 \
                     UNION ALL SELECT min(queued_us) FROM outbox WHERE plant = ?1 AND state = 2)",
                )?,
            })
        };
        read().map_err(|error| self.failure.of("its state cannot be read", error))
    }

    fn give_space_back(&mut self) -> Result<(), Error> {
        self.connection
            .execute_batch(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))
            .map_err(|error| self.failure.of("space cannot be given back", error))
    }

    fn enter(&mut self, plant: &str) -> Result<(), Error> {
        if let Some(&known) = self.plants.get(plant) {
            self.plant = known;
            return Ok(());
        }
        let number = || -> rusqlite::Result<i64> {
            let made = "INSERT INTO plants (name) VALUES (?1) ON CONFLICT (name) DO NOTHING";
            self.connection.prepare_cached(made)?.execute([plant])?;
            self.connection
                .prepare_cached("SELECT id FROM plants WHERE name = ?1")?
                .query_row([plant], |row| row.get(0))
        };
        self.plant = number().map_err(|error| self.failure.of("a plant cannot be looked up", error))?;
        self.plants.insert(plant.to_owned(), self.plant);
        Ok(())
    }

    fn plant_names(&mut self) -> Result<Vec<String>, Error> {
        let read = || -> rusqlite::Result<Vec<String>> {
            self.connection
                .prepare_cached("SELECT name FROM plants ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        read().map_err(|error| self.failure.of("the plants cannot be listed", error))
    }

    fn bind(&mut self, instance: &str, anew: bool) -> Result<String, Error> {
        let bind = || -> rusqlite::Result<String> {
            self.connection
                .prepare_cached("UPDATE plants SET instance = ?2 WHERE id = ?1 AND (instance IS NULL OR ?3)")?
                .execute(params![self.plant, instance, anew])?;
            self.connection
                .prepare_cached("SELECT instance FROM plants WHERE id = ?1")?
                .query_row([self.plant], |row| row.get(0))
        };
        bind().map_err(|error| self.failure.of("a plant cannot be bound to its Pico", error))
    }

    // The lock of the operating system ends with its holder, so nobody holds a role without knowing.
    fn check_tenure(&mut self, _role: Role, _tenure: Tenure) -> Result<(), Error> {
        Ok(())
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.connection
            .prepare_cached("SELECT value FROM notes WHERE plant = ?2 AND name = ?1")
            .and_then(|mut statement| {
                statement.query_row(params![name, self.plant], |row| row.get(0)).optional()
            })
            .map_err(|error| self.failure.of("a note cannot be read", error))
    }

    fn set_note(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.connection
            .prepare_cached(
                "INSERT INTO notes (name, value, plant) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (plant, name) DO UPDATE SET value = excluded.value",
            )
            .and_then(|mut statement| statement.execute(params![name, value, self.plant]))
            .map(|_| ())
            .map_err(|error| self.failure.of("a note cannot be written", error))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod outbox_tests;
