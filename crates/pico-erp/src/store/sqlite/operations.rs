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
                "SELECT updated_us, body = ?2, unlisted_us IS NULL FROM operations WHERE id = ?1",
            )?
            .query_row(params![row.id, row.body.as_str()], |found| {
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
                .prepare_cached("SELECT by_event FROM temp.listing WHERE id = ?1")?
                .query_row([&row.id], |found| found.get(0))
                .optional()?
                .unwrap_or(false);
        Ok(Some(Known { heard_since, ..known }))
    }

    fn note_listed(&self, id: &str, by_event: bool) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO temp.listing (id, by_event) VALUES (?1, ?2) \
                 ON CONFLICT (id) DO UPDATE SET by_event = by_event OR excluded.by_event",
            )?
            .execute(params![id, by_event])?;
        Ok(())
    }

    fn write_operation(&self, row: &OperationRow) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO operations (id, external_id, external_revision, name, updated_us, \
                 archived_us, unlisted_us, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7)",
            )?
            .execute(params![
                row.id,
                row.external_id,
                row.external_revision,
                row.name,
                row.updated,
                row.archived,
                row.body.as_str()
            ])?;
        self.connection
            .prepare_cached("DELETE FROM operation_codes WHERE operation_id = ?1")?
            .execute([&row.id])?;
        for code in &row.codes {
            self.connection
                .prepare_cached("INSERT OR IGNORE INTO operation_codes (code, operation_id) VALUES (?1, ?2)")?
                .execute([code, &row.id])?;
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
                    .prepare_cached("UPDATE operations SET unlisted_us = NULL WHERE id = ?1")?
                    .execute([&row.id])?;
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
        let begun = self.connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS temp.listing (id TEXT PRIMARY KEY, by_event INTEGER NOT NULL) \
             WITHOUT ROWID; DELETE FROM temp.listing;",
        );
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
                "UPDATE operations SET unlisted_us = ?1 WHERE unlisted_us IS NULL \
                 AND NOT EXISTS (SELECT 1 FROM temp.listing WHERE listing.id = operations.id)",
                [now],
            )
            .and_then(|gone| self.connection.execute("DELETE FROM temp.listing", []).map(|_| gone));
        Ok(self.catalogue(ended)? as u64)
    }

    fn operation(&mut self, id: &str) -> Result<Option<StoredOperation>, Error> {
        Ok(self.stored("WHERE id = ?1", [id])?.pop())
    }

    fn operations_by_part(
        &mut self,
        part: &str,
        revision: Option<&str>,
    ) -> Result<Vec<StoredOperation>, Error> {
        match revision {
            None => self.stored("WHERE external_id = ?1 ORDER BY external_revision, id", [part]),
            Some(revision) => {
                self.stored("WHERE external_id = ?1 AND external_revision = ?2 ORDER BY id", [part, revision])
            }
        }
    }

    fn operations_by_code(&mut self, code: &str) -> Result<Vec<StoredOperation>, Error> {
        self.stored(
            "WHERE id IN (SELECT operation_id FROM operation_codes WHERE code = ?1) ORDER BY id",
            [code],
        )
    }

    fn operations_page(&mut self, after: &str, limit: usize) -> Result<Vec<StoredOperation>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.stored("WHERE id > ?1 ORDER BY id LIMIT ?2", params![after, limit])
    }

    fn operation_count(&mut self) -> Result<u64, Error> {
        // What is gone has an index; the rest is listed.
        let count = self
            .connection
            .prepare_cached(
                "SELECT (SELECT count(*) FROM operations) - \
                 (SELECT count(*) FROM operations WHERE unlisted_us IS NOT NULL)",
            )
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
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
    fn a_list_marks_what_it_does_not_have_and_an_event_meanwhile_counts_as_had() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(&folder.path().join("erp.pico"), super::super::Settings::default()).unwrap();
        for id in ["a", "b", "c", "d"] {
            store.put_operation(&row(id, 5, "old"), Origin::Event, false).unwrap();
        }
        store.begin_list().unwrap();
        store.put_operation(&row("a", 5, "old"), Origin::List, true).unwrap();
        store.put_operation(&row("b", 7, "new"), Origin::Event, true).unwrap();
        store.put_operation(&row("b", 6, "between"), Origin::List, true).unwrap();
        store.put_operation(&row("d", 4, "late"), Origin::Event, true).unwrap();
        store.put_operation(&row("e", 7, "new"), Origin::Event, true).unwrap();
        assert_eq!(store.end_list(99).unwrap(), 2);
        let seen: Vec<_> = store
            .operations_page("", 10)
            .unwrap()
            .into_iter()
            .map(|one| (one.body.as_str().to_owned(), one.unlisted))
            .collect();
        let expected = [("old", None), ("new", None), ("old", Some(99)), ("old", Some(99)), ("new", None)];
        assert_eq!(seen, expected.map(|(name, unlisted)| (format!("\"{name}\""), unlisted)));
        assert_eq!(store.operation_count().unwrap(), 3);
        // A later list finds one again.
        store.begin_list().unwrap();
        assert_eq!(store.put_operation(&row("c", 5, "old"), Origin::List, true).unwrap(), Put::Listed);
        assert_eq!(store.end_list(100).unwrap(), 3);
        assert_eq!(store.operation_count().unwrap(), 1);
    }

    #[test]
    fn codes_follow_the_operation_and_the_view_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = open(&folder.path().join("erp.pico"), super::super::Settings::default()).unwrap();
        store.put_operation(&row("a", 5, "one"), Origin::Event, false).unwrap();
        assert_eq!(store.operations_by_code("Q").unwrap().len(), 1);
        let line: String = store
            .connection
            .query_row(
                "SELECT id || ' ' || updated || ' ' || codes || ' ' || listed FROM catalogue",
                [],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(line, "a 1970-01-01T00:00:00.000Z P | Q 1");
        let moved = OperationRow { codes: vec!["R".to_owned()], ..row("a", 6, "two") };
        store.put_operation(&moved, Origin::Event, false).unwrap();
        assert!(store.operations_by_code("Q").unwrap().is_empty());
        assert_eq!(store.operations_by_code("R").unwrap().len(), 1);
        assert_eq!(store.operations_by_part("P|Q", None).unwrap().len(), 1);
        assert!(store.operations_by_part("P|Q", Some("A")).unwrap().is_empty());
    }
}
