//! The operations in SQLite.
//!
//! Which of them a list has told of is noted in a table that lives in this connection's memory: reading the same list
//! again every few minutes then writes nothing to the file.

use rusqlite::{OptionalExtension as _, Params, Row, params};

use super::Sqlite;
use crate::error::Error;
use crate::json::Json;
use crate::store::operation_table::{Known, OperationRow, OperationTable, Origin, Put, StoredOperation, put};

const STORED: &str = "SELECT body, unlisted_us FROM operations";

impl Sqlite {
    fn catalogue<T>(&self, result: rusqlite::Result<T>) -> Result<T, Error> {
        result.map_err(|error| self.failure.of("the catalogue cannot be read or written", error))
    }

    fn known_operation(&self, row: &OperationRow, listing: bool) -> rusqlite::Result<Option<Known>> {
        let known = self
            .connection
            .prepare_cached(
                "SELECT updated_us, body = ?2, unlisted_us IS NULL FROM operations WHERE plant = ?3 AND id = ?1",
            )?
            .query_row(params![row.id, row.body.as_str(), self.plant], |found| {
                Ok(Known {
                    updated: found.get(0)?,
                    same: found.get(1)?,
                    listed: found.get(2)?,
                    heard_since: false,
                })
            })
            .optional()?;
        let Some(known) = known else { return Ok(None) };
        let heard_since = listing
            && self
                .connection
                .prepare_cached("SELECT by_event FROM temp.listing WHERE plant = ?2 AND id = ?1")?
                .query_row(params![row.id, self.plant], |found| found.get(0))
                .optional()?
                .unwrap_or(false);
        Ok(Some(Known { heard_since, ..known }))
    }

    fn note_listed(&self, id: &str, by_event: bool) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO temp.listing (id, by_event, plant) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (plant, id) DO UPDATE SET by_event = by_event OR excluded.by_event",
            )?
            .execute(params![id, by_event, self.plant])?;
        Ok(())
    }

    fn write_operation(&self, row: &OperationRow) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO operations (id, external_id, external_revision, name, updated_us, \
                 archived_us, unlisted_us, body, plant) VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7, ?8)",
            )?
            .execute(params![
                row.id,
                row.external_id,
                row.external_revision,
                row.name,
                row.updated,
                row.archived,
                row.body.as_str(),
                self.plant
            ])?;
        self.connection
            .prepare_cached("DELETE FROM operation_codes WHERE plant = ?2 AND operation_id = ?1")?
            .execute(params![row.id, self.plant])?;
        for code in &row.codes {
            self.connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO operation_codes (code, operation_id, plant) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![code, row.id, self.plant])?;
        }
        Ok(())
    }

    fn put_one(&self, row: &OperationRow, origin: Origin, listing: bool) -> rusqlite::Result<Put> {
        let known = self.known_operation(row, listing)?;
        let late = origin == Origin::Event && known.is_some_and(|known| row.updated < known.updated);
        let decided = put(known, origin, row.updated);
        match decided {
            Put::Written => self.write_operation(row)?,
            Put::Listed => {
                self.connection
                    .prepare_cached("UPDATE operations SET unlisted_us = NULL WHERE plant = ?2 AND id = ?1")?
                    .execute(params![row.id, self.plant])?;
            }
            Put::Kept => {}
        }
        // A late event is no sign that the operation is there still.
        if listing && !late {
            self.note_listed(&row.id, origin == Origin::Event)?;
        }
        Ok(decided)
    }

    fn stored(&self, end: &str, values: impl Params) -> Result<Vec<StoredOperation>, Error> {
        let read = || -> rusqlite::Result<Vec<StoredOperation>> {
            self.connection.prepare_cached(&format!("{STORED} {end}"))?.query_map(values, stored)?.collect()
        };
        self.catalogue(read())
    }
}

impl OperationTable for Sqlite {
    fn begin_list(&mut self) -> Result<(), Error> {
        let begun = self
            .connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS temp.listing (plant INTEGER NOT NULL, id TEXT NOT NULL, \
                 by_event INTEGER NOT NULL, PRIMARY KEY (plant, id)) WITHOUT ROWID",
            )
            .and_then(|()| self.connection.execute("DELETE FROM temp.listing WHERE plant = ?1", [self.plant]))
            .map(|_| ());
        self.catalogue(begun)
    }

    fn put_operation(&mut self, row: &OperationRow, origin: Origin, listing: bool) -> Result<Put, Error> {
        let put = self.put_one(row, origin, listing);
        self.catalogue(put)
    }

    fn touch_operation(&mut self, id: &str) -> Result<(), Error> {
        let noted = self.note_listed(id, false);
        self.catalogue(noted)
    }

    fn end_list(&mut self, now: i64) -> Result<u64, Error> {
        let ended = self
            .connection
            .execute(
                "UPDATE operations SET unlisted_us = ?1 WHERE plant = ?2 AND unlisted_us IS NULL AND NOT EXISTS \
                 (SELECT 1 FROM temp.listing WHERE listing.plant = ?2 AND listing.id = operations.id)",
                [now, self.plant],
            )
            .and_then(|gone| self.connection
                    .execute("DELETE FROM temp.listing WHERE plant = ?1", [self.plant])
                    .map(|_| gone));
        Ok(self.catalogue(ended)? as u64)
    }

    fn operation(&mut self, id: &str) -> Result<Option<StoredOperation>, Error> {
        Ok(self.stored("WHERE plant = ?2 AND id = ?1", params![id, self.plant])?.pop())
    }

    fn operations_by_part(
        &mut self,
        part: &str,
        revision: Option<&str>,
    ) -> Result<Vec<StoredOperation>, Error> {
        match revision {
            None => self.stored(
                "WHERE plant = ?2 AND external_id = ?1 ORDER BY external_revision, id",
                params![part, self.plant],
            ),
            Some(revision) => self.stored(
                "WHERE plant = ?3 AND external_id = ?1 AND external_revision = ?2 ORDER BY id",
                params![part, revision, self.plant],
            ),
        }
    }

    fn operations_by_code(&mut self, code: &str) -> Result<Vec<StoredOperation>, Error> {
        self.stored(
            "WHERE plant = ?2 AND id IN (SELECT operation_id FROM operation_codes WHERE plant = ?2 AND code = ?1) \
             ORDER BY id",
            params![code, self.plant],
        )
    }

    fn operations_page(&mut self, after: &str, limit: usize) -> Result<Vec<StoredOperation>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.stored("WHERE plant = ?3 AND id > ?1 ORDER BY id LIMIT ?2", params![after, limit, self.plant])
    }

    fn operation_count(&mut self) -> Result<u64, Error> {
        // What is gone has an index; the rest is listed.
        let count = self
            .connection
            .prepare_cached(
                "SELECT (SELECT count(*) FROM operations WHERE plant = ?1) - \
                 (SELECT count(*) FROM operations WHERE plant = ?1 AND unlisted_us IS NOT NULL)",
            )
            .and_then(|mut statement| statement.query_row([self.plant], |row| row.get::<_, i64>(0)));
        Ok(self.catalogue(count)?.cast_unsigned())
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<StoredOperation> {
    let body: String = row.get(0)?;
    let body = Json::new(body).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(StoredOperation { body, unlisted: row.get(1)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::open;

    fn row(id: &str, updated: i64, name: &str) -> OperationRow {
        OperationRow {
            id: id.to_owned(),
            external_id: Some("P|Q".to_owned()),
            external_revision: None,
            name: name.to_owned(),
            updated,
            archived: None,
            codes: vec!["P".to_owned(), "Q".to_owned()],
            body: Json::from_value(&name).unwrap(),
        }
    }

    #[test]
    fn the_view_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(&folder.path().join("erp.pico"), super::super::Settings::default()).unwrap();
        store.put_operation(&row("a", 5, "one"), Origin::Event, false).unwrap();
        let line: String = store
            .connection
            .query_row(
                "SELECT id || ' ' || updated || ' ' || codes || ' ' || listed FROM catalogue",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(line, "a 1970-01-01T00:00:00.000Z P | Q 1");
    }
}
