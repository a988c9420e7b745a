//! The operations in PostgreSQL. One node at a time writes those of a plant: the one that keeps its catalogue.
//!
//! Which of them a list has told of is noted in this process's memory: reading the same list again every few minutes then
//! writes nothing to the database. Notes are not undone with a transaction; a list that failed is begun anew.

use std::collections::{HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};

use super::Postgres;
use super::session::Values;
use super::text::kept;
use crate::error::Error;
use crate::json::Json;
use crate::store::operation_table::{Known, OperationRow, OperationTable, Origin, Put, StoredOperation, put};

pub(super) const WHAT: &str = "the catalogue cannot be read or written";

const STORED: &str = "SELECT body, unlisted_us FROM operations";

/// What a list has told of so far, by id, and whether an event has as well.
pub(super) type Listing = HashMap<String, bool>;

impl Postgres {
    /// The listings of all plants. Not held while the database is asked.
    fn listings(&self) -> MutexGuard<'_, HashMap<i64, Listing>> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_operation(&mut self, row: &OperationRow, listing: bool) -> Result<Option<Known>, Error> {
        let sql =
            "SELECT updated_us, body = $3, unlisted_us IS NULL FROM operations WHERE plant = $1 AND id = $2";
        let id = kept(&row.id);
        let found = self.session.query_opt(WHAT, sql, &[&self.plant, &id, &row.body.as_str()])?;
        let heard_since = listing
            && self
                .listings()
                .get(&self.plant)
                .and_then(|told| told.get(id.as_ref()))
                .copied()
                .unwrap_or_default();
        Ok(found.map(|found| Known {
            updated: found.get(0),
            same: found.get(1),
            listed: found.get(2),
            heard_since,
        }))
    }

    /// The operations that an event has told of since the list was begun.
    pub(super) fn heard_by_event(&self) -> HashSet<String> {
        let listings = self.listings();
        let told = listings.get(&self.plant).into_iter().flatten();
        told.filter(|(_, by_event)| **by_event).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn note_listed(&self, id: &str, by_event: bool) {
        let mut listings = self.listings();
        let noted = listings.entry(self.plant).or_default().entry(kept(id).into_owned()).or_default();
        *noted |= by_event;
    }

    fn write_operation(&mut self, row: &OperationRow) -> Result<(), Error> {
        // A code that stays is left alone: what one part of a statement deletes, another cannot add again.
        let sql = "WITH written AS (\
                   INSERT INTO operations (plant, id, external_id, external_revision, name, updated_us, archived_us, body) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (plant, id) DO UPDATE SET \
                   external_id = excluded.external_id, external_revision = excluded.external_revision, \
                   name = excluded.name, updated_us = excluded.updated_us, archived_us = excluded.archived_us, \
                   unlisted_us = NULL, body = excluded.body\
                   ), gone AS (\
                   DELETE FROM operation_codes WHERE plant = $1 AND operation_id = $2 AND NOT code = ANY ($9)\
                   ) INSERT INTO operation_codes (plant, code, operation_id) SELECT $1, code, $2 \
                   FROM unnest($9::text[]) AS code ON CONFLICT DO NOTHING";
        let codes: Vec<_> = row.codes.iter().map(|code| kept(code)).collect();
        let values: Values<'_> = &[
            &self.plant,
            &kept(&row.id),
            &row.external_id.as_deref().map(kept),
            &row.external_revision.as_deref().map(kept),
            &kept(&row.name),
            &row.updated,
            &row.archived,
            &row.body.as_str(),
            &codes,
        ];
        self.session.execute(WHAT, sql, values).map(|_| ())
    }

    fn stored(&mut self, end: &str, values: Values<'_>) -> Result<Vec<StoredOperation>, Error> {
        let rows = self.session.query(WHAT, &format!("{STORED} {end}"), values)?;
        rows.iter()
            .map(|row| {
                Ok(StoredOperation { body: Json::new(row.get::<_, String>(0))?, unlisted: row.get(1) })
            })
            .collect()
    }
}

impl OperationTable for Postgres {
    fn begin_list(&mut self) -> Result<(), Error> {
        self.listings().insert(self.plant, Listing::new());
        Ok(())
    }

    fn put_operation(&mut self, row: &OperationRow, origin: Origin, listing: bool) -> Result<Put, Error> {
        let known = self.known_operation(row, listing)?;
        let late = origin == Origin::Event && known.is_some_and(|known| row.updated < known.updated);
        let decided = put(known, origin, row.updated);
        match decided {
            Put::Written => self.write_operation(row)?,
            Put::Listed => {
                let sql = "UPDATE operations SET unlisted_us = NULL WHERE plant = $1 AND id = $2";
                self.session.execute(WHAT, sql, &[&self.plant, &kept(&row.id)])?;
            }
            Put::Kept => {}
        }
        // A late event is no sign that the operation is there still.
        if listing && !late {
            self.note_listed(&row.id, origin == Origin::Event);
        }
        Ok(decided)
    }

    fn put_operations(&mut self, rows: &[OperationRow], origin: Origin, listing: bool) -> Result<u64, Error> {
        self.put_batch(rows, origin, listing)
    }

    fn touch_operation(&mut self, id: &str) -> Result<(), Error> {
        self.note_listed(id, false);
        Ok(())
    }

    fn end_list(&mut self, now: i64) -> Result<u64, Error> {
        let told: Vec<String> = self.listings().remove(&self.plant).unwrap_or_default().into_keys().collect();
        // A join, which every version does by hashing; a long list in ANY is searched from end to end by older ones.
        let sql = "UPDATE operations SET unlisted_us = $2 WHERE plant = $1 AND unlisted_us IS NULL AND NOT EXISTS (\
                   SELECT 1 FROM unnest($3::text[]) AS told (id) WHERE told.id COLLATE \"C\" = operations.id)";
        self.session.execute(WHAT, sql, &[&self.plant, &now, &told])
    }

    fn operation(&mut self, id: &str) -> Result<Option<StoredOperation>, Error> {
        let plant = self.plant;
        Ok(self.stored("WHERE plant = $1 AND id = $2", &[&plant, &kept(id)])?.pop())
    }

    fn operations_by_part(
        &mut self,
        part: &str,
        revision: Option<&str>,
    ) -> Result<Vec<StoredOperation>, Error> {
        let plant = self.plant;
        match revision {
            None => self.stored(
                "WHERE plant = $1 AND external_id = $2 ORDER BY external_revision NULLS FIRST, id",
                &[&plant, &kept(part)],
            ),
            Some(revision) => self.stored(
                "WHERE plant = $1 AND external_id = $2 AND external_revision = $3 ORDER BY id",
                &[&plant, &kept(part), &kept(revision)],
            ),
        }
    }

    fn operations_by_code(&mut self, code: &str) -> Result<Vec<StoredOperation>, Error> {
        let plant = self.plant;
        self.stored(
            "WHERE plant = $1 AND id IN (SELECT operation_id FROM operation_codes WHERE plant = $1 AND code = $2) \
             ORDER BY id",
            &[&plant, &kept(code)],
        )
    }

    fn operations_page(&mut self, after: &str, limit: usize) -> Result<Vec<StoredOperation>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let plant = self.plant;
        self.stored("WHERE plant = $1 AND id > $2 ORDER BY id LIMIT $3", &[&plant, &kept(after), &limit])
    }

    fn operation_count(&mut self) -> Result<u64, Error> {
        let sql = "SELECT (SELECT count(*) FROM operations WHERE plant = $1) - \
                   (SELECT count(*) FROM operations WHERE plant = $1 AND unlisted_us IS NOT NULL)";
        Ok(self.session.query_one(WHAT, sql, &[&self.plant])?.get::<_, i64>(0).cast_unsigned())
    }
}
