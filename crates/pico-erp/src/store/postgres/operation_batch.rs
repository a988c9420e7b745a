//! Many operations at once in PostgreSQL: a list of ten thousand is a few statements, and not some for each.

use std::collections::HashSet;

use super::Postgres;
use super::operations::WHAT;
use super::session::Values;
use super::text::kept;
use crate::error::Error;
use crate::store::operation_table::{Known, OperationRow, OperationTable as _, Origin, Put, put};

impl Postgres {
    /// As [`OperationTable::put_operation`](crate::store::operation_table::OperationTable::put_operation) for each of `rows`;
    /// returns how many changed.
    pub(super) fn put_batch(
        &mut self,
        rows: &[OperationRow],
        origin: Origin,
        listing: bool,
    ) -> Result<u64, Error> {
        let ids: HashSet<_> = rows.iter().map(|row| kept(&row.id)).collect();
        if ids.len() < rows.len() {
            // One that is told of twice is weighed against what was told first.
            let mut changes = 0;
            for row in rows {
                changes += u64::from(self.put_operation(row, origin, listing)? != Put::Kept);
            }
            return Ok(changes);
        }
        let known = self.known_operations(rows, listing)?;
        let (mut written, mut relisted) = (Vec::new(), Vec::new());
        for (row, known) in rows.iter().zip(known) {
            match put(known, origin, row.updated) {
                Put::Written => written.push(row),
                Put::Listed => relisted.push(kept(&row.id)),
                Put::Kept => {}
            }
            let late = origin == Origin::Event && known.is_some_and(|known| row.updated < known.updated);
            // A late event is no sign that the operation is there still.
            if listing && !late {
                self.note_listed(&row.id, origin == Origin::Event);
            }
        }
        if !relisted.is_empty() {
            let sql = "UPDATE operations SET unlisted_us = NULL WHERE plant = $1 AND id = ANY ($2)";
            self.session.execute(WHAT, sql, &[&self.plant, &relisted])?;
        }
        if !written.is_empty() {
            self.write_operations(&written)?;
        }
        Ok((written.len() + relisted.len()) as u64)
    }

    fn known_operations(
        &mut self,
        rows: &[OperationRow],
        listing: bool,
    ) -> Result<Vec<Option<Known>>, Error> {
        let ids: Vec<_> = rows.iter().map(|row| kept(&row.id)).collect();
        let bodies: Vec<_> = rows.iter().map(|row| row.body.as_str()).collect();
        let sql = "SELECT known.updated_us, known.body = told.body, known.unlisted_us IS NULL \
                   FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS told (id, body, place) \
                   LEFT JOIN operations AS known ON known.plant = $1 AND known.id = told.id COLLATE \"C\" \
                   ORDER BY told.place";
        let found = self.session.query(WHAT, sql, &[&self.plant, &ids, &bodies])?;
        let told = if listing { self.heard_by_event() } else { HashSet::new() };
        let known = found.iter().zip(&ids).map(|(row, id)| {
            Some(Known {
                updated: row.get::<_, Option<i64>>(0)?,
                same: row.get(1),
                listed: row.get(2),
                heard_since: told.contains(id.as_ref()),
            })
        });
        Ok(known.collect())
    }

    fn write_operations(&mut self, rows: &[&OperationRow]) -> Result<(), Error> {
        let ids: Vec<_> = rows.iter().map(|row| kept(&row.id)).collect();
        let parts: Vec<_> = rows.iter().map(|row| row.external_id.as_deref().map(kept)).collect();
        let revisions: Vec<_> = rows.iter().map(|row| row.external_revision.as_deref().map(kept)).collect();
        let names: Vec<_> = rows.iter().map(|row| kept(&row.name)).collect();
        let updated: Vec<_> = rows.iter().map(|row| row.updated).collect();
        let archived: Vec<_> = rows.iter().map(|row| row.archived).collect();
        let bodies: Vec<_> = rows.iter().map(|row| row.body.as_str()).collect();
        let sql = "INSERT INTO operations (plant, id, external_id, external_revision, name, updated_us, archived_us, body) \
                   SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], \
                   $8::text[]) ON CONFLICT (plant, id) DO UPDATE SET \
                   external_id = excluded.external_id, external_revision = excluded.external_revision, \
                   name = excluded.name, updated_us = excluded.updated_us, archived_us = excluded.archived_us, \
                   unlisted_us = NULL, body = excluded.body";
        let values: Values<'_> =
            &[&self.plant, &ids, &parts, &revisions, &names, &updated, &archived, &bodies];
        self.session.execute(WHAT, sql, values)?;
        let (mut owners, mut codes) = (Vec::new(), Vec::new());
        for row in rows {
            for code in &row.codes {
                owners.push(kept(&row.id));
                codes.push(kept(code));
            }
        }
        // A code that stays is left alone: what one part of a statement deletes, another cannot add again.
        let sql = "WITH told AS (SELECT * FROM unnest($3::text[], $4::text[]) AS told (operation_id, code)), gone AS (\
                   DELETE FROM operation_codes AS old WHERE plant = $1 AND operation_id = ANY ($2) AND NOT EXISTS (\
                   SELECT 1 FROM told WHERE told.operation_id = old.operation_id AND told.code = old.code)) \
                   INSERT INTO operation_codes (plant, code, operation_id) SELECT $1, code, operation_id FROM told \
                   ON CONFLICT DO NOTHING";
        self.session.execute(WHAT, sql, &[&self.plant, &ids, &owners, &codes]).map(|_| ())
    }
}
