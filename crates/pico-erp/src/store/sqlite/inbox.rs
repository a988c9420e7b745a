//! The inbox in SQLite.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Row, params};

use super::Sqlite;
use crate::error::Error;
use crate::json::Json;
use crate::store::inbox_table::{
    Arrival, Claim, Claimed, InboxCounts, InboxEntry, InboxState, InboxTable, Place, Received, Settlement,
    Source, Watermark, time,
};

const ENTRY: &str = "SELECT id, order_id, operation_id, order_index, at_us, serial, state, attempts, source, \
                     arrived_us, due_us, settled_us, reason, body FROM inbox";

/// What a report's key is stored under, when it has none that can be read.
const UNREADABLE: i64 = -1;

impl Sqlite {
    fn inbox<T>(&self, result: rusqlite::Result<T>) -> Result<T, Error> {
        result.map_err(|error| self.failure.of("the inbox cannot be read or written", error))
    }

    fn receive_as(&mut self, arrival: &Arrival, state: InboxState, now: i64) -> rusqlite::Result<Received> {
        let key = &arrival.key;
        let place = params![key.order_id, key.operation_id, key.order_index, key.at, self.plant];
        let mut alike = self.connection.prepare_cached(
            "SELECT id, serial, state = 0 AND attempts = 0 FROM inbox \
             WHERE plant = ?5 AND order_id = ?1 AND operation_id = ?2 AND order_index = ?3 AND at_us = ?4",
        )?;
        let mut rows = alike.query(place)?;
        while let Some(row) = rows.next()? {
            let (id, serial, untouched): (i64, Option<String>, bool) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let same = serial.is_none() || arrival.serial.is_none() || serial == arrival.serial;
            if !same {
                continue;
            }
            if serial.is_none() && arrival.serial.is_some() {
                // The same completion, told in more detail: the detail reaches a consumer that has not seen it.
                let sql = if untouched {
                    "UPDATE inbox SET serial = ?2, body = ?3 WHERE id = ?1"
                } else {
                    "UPDATE inbox SET serial = ?2 WHERE id = ?1 AND ?3 IS NOT NULL"
                };
                let mut update = self.connection.prepare_cached(sql)?;
                update.execute(params![id, arrival.serial, arrival.body.as_str()])?;
            }
            return Ok(Received::Known);
        }
        let body = (state == InboxState::Ready).then(|| arrival.body.as_str());
        self.connection
            .prepare_cached(
                "INSERT INTO inbox (order_id, operation_id, order_index, at_us, serial, state, source, \
                 arrived_us, body, plant) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                key.order_id,
                key.operation_id,
                key.order_index,
                key.at,
                arrival.serial,
                state.number(),
                arrival.source.name(),
                now,
                body,
                self.plant
            ])?;
        Ok(Received::New)
    }

    fn promote(&self, now: i64) -> rusqlite::Result<()> {
        // A clock that was set back must not make a short wait a long one: what began to wait in the future waits as
        // long as it was to, from now on.
        self.connection
            .prepare_cached(
                "UPDATE inbox SET due_us = ?1 + (due_us - settled_us), settled_us = ?1 \
                 WHERE plant = ?2 AND state = 2 AND due_us > ?1 AND settled_us > ?1",
            )?
            .execute([now, self.plant])?;
        self.connection
            .prepare_cached(
                "UPDATE inbox SET state = 0, due_us = NULL WHERE plant = ?2 AND state = 2 AND due_us <= ?1",
            )?
            .execute([now, self.plant])?;
        Ok(())
    }

    fn claim_one(&mut self, limit: u32, now: i64) -> rusqlite::Result<Claim> {
        self.promote(now)?;
        let first: Option<(i64, u32, String, i64, String, i64)> = self
            .connection
            .prepare_cached(
                "SELECT id, attempts, source, arrived_us, body, fence FROM inbox AS this \
                 WHERE plant = ?1 AND state = 0 AND NOT EXISTS (\
                 SELECT 1 FROM inbox AS before WHERE before.plant = this.plant AND before.order_id = this.order_id \
                 AND before.operation_id = this.operation_id AND before.order_index = this.order_index \
                 AND before.at_us <= this.at_us AND before.state < 3 \
                 AND (before.at_us < this.at_us OR before.id < this.id)) ORDER BY id LIMIT 1",
            )?
            .query_row([self.plant], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            })
            .optional()?;
        let Some((id, attempts, source, arrived, body, fence)) = first else {
            let due = self
                .connection
                .prepare_cached("SELECT min(due_us) FROM inbox WHERE plant = ?1 AND state = 2")?
                .query_row([self.plant], |row| row.get(0))?;
            return Ok(Claim::Nothing { due });
        };
        if attempts >= limit {
            let reason = format!("handed out {attempts} times and never settled");
            self.bury(id, &reason, now)?;
            return Ok(Claim::Dead { id, reason });
        }
        let body = match Json::new(body) {
            Ok(body) => body,
            Err(error) => {
                let reason = error.to_string();
                self.bury(id, &reason, now)?;
                return Ok(Claim::Dead { id, reason });
            }
        };
        self.connection
            .prepare_cached(
                "UPDATE inbox SET state = 1, attempts = attempts + 1, fence = fence + 1 WHERE id = ?1",
            )?
            .execute([id])?;
        let source = Source::from_name(&source).unwrap_or(Source::CatchUp);
        Ok(Claim::One(Claimed { id, fence: fence + 1, attempt: attempts + 1, source, arrived, body }))
    }

    fn bury(&self, id: i64, reason: &str, now: i64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE inbox SET state = 4, reason = ?2, settled_us = ?3, due_us = NULL WHERE id = ?1",
            )?
            .execute(params![id, reason, now])?;
        Ok(())
    }

    fn settle_one(&mut self, place: Place, settlement: &Settlement, now: i64) -> rusqlite::Result<bool> {
        let (connection, plant, Place { id, fence }) = (&self.connection, self.plant, place);
        let settled = match settlement {
            Settlement::Ack => connection
                .prepare_cached(
                    "UPDATE inbox SET state = 3, settled_us = ?4, reason = NULL, due_us = NULL \
                     WHERE id = ?1 AND plant = ?2 AND state = 1 AND fence = ?3",
                )?
                .execute(params![id, plant, fence, now])?,
            Settlement::Retry { at, reason } => connection
                .prepare_cached(
                    "UPDATE inbox SET state = 2, due_us = ?5, settled_us = ?4, reason = ?6 \
                     WHERE id = ?1 AND plant = ?2 AND state = 1 AND fence = ?3",
                )?
                .execute(params![id, plant, fence, now, at, reason])?,
            Settlement::Dead { reason } => connection
                .prepare_cached(
                    "UPDATE inbox SET state = 4, settled_us = ?4, reason = ?5, due_us = NULL \
                     WHERE id = ?1 AND plant = ?2 AND state = 1 AND fence = ?3",
                )?
                .execute(params![id, plant, fence, now, reason])?,
            Settlement::Return => connection
                .prepare_cached(
                    "UPDATE inbox SET state = 0, attempts = attempts - 1 \
                     WHERE id = ?1 AND plant = ?2 AND state = 1 AND fence = ?3",
                )?
                .execute(params![id, plant, fence])?,
        };
        if settled > 0 || !matches!(settlement, Settlement::Ack) {
            return Ok(settled > 0);
        }
        connection
            .prepare_cached("SELECT 1 FROM inbox WHERE id = ?1 AND plant = ?2 AND state = 3 AND fence = ?3")?
            .exists([id, plant, fence])
    }
}

impl InboxTable for Sqlite {
    fn receive(&mut self, arrival: &Arrival, now: i64) -> Result<Received, Error> {
        let received = self.receive_as(arrival, InboxState::Ready, now);
        self.inbox(received)
    }

    fn receive_skipped(&mut self, arrival: &Arrival, now: i64) -> Result<Received, Error> {
        let received = self.receive_as(arrival, InboxState::Skipped, now);
        self.inbox(received)
    }

    fn receive_unreadable(
        &mut self,
        body: &Json,
        source: Source,
        reason: &str,
        now: i64,
    ) -> Result<Received, Error> {
        let insert = self
            .connection
            .prepare_cached(
                "INSERT INTO inbox (order_id, operation_id, order_index, at_us, state, source, arrived_us, \
                 settled_us, reason, body, plant) SELECT '', '', ?1, 0, 4, ?2, ?3, ?3, ?4, ?5, ?6 WHERE NOT EXISTS \
                 (SELECT 1 FROM inbox WHERE plant = ?6 AND order_id = '' AND operation_id = '' AND order_index = ?1 AND body = ?5)",
            )
            .and_then(|mut insert| {
                insert.execute(params![UNREADABLE, source.name(), now, reason, body.as_str(), self.plant])
            });
        Ok(if self.inbox(insert)? == 0 { Received::Known } else { Received::New })
    }

    fn advance(&mut self, source: Source, at: i64, reports: u64, now: i64) -> Result<(), Error> {
        let advanced = self
            .connection
            .prepare_cached(
                "INSERT INTO watermarks (source, at_us, heard_us, reports, plant) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (plant, source) DO UPDATE SET at_us = max(at_us, excluded.at_us), \
                 heard_us = excluded.heard_us, reports = reports + excluded.reports",
            )
            .and_then(|mut upsert| upsert.execute(params![source.name(), at, now, reports.cast_signed(), self.plant]));
        self.inbox(advanced).map(|_| ())
    }

    fn watermarks(&mut self) -> Result<Vec<Watermark>, Error> {
        let read = || -> rusqlite::Result<Vec<(String, i64, i64, i64)>> {
            self.connection
                .prepare_cached("SELECT source, at_us, heard_us, reports FROM watermarks WHERE plant = ?1")?
                .query_map([self.plant], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
                .collect()
        };
        let rows = self.inbox(read())?;
        Ok(rows
            .into_iter()
            .filter_map(|(source, at, heard, reports)| {
                Some(Watermark {
                    source: Source::from_name(&source)?,
                    at: time(at),
                    heard: time(heard),
                    reports: reports.cast_unsigned(),
                })
            })
            .collect())
    }

    // A store of one machine needs no time-out: a consumer that died with its process gave its role up, and the next recovers.
    fn claim(&mut self, limit: u32, now: i64, _visible: Duration) -> Result<Claim, Error> {
        let claim = self.claim_one(limit, now);
        self.inbox(claim)
    }

    fn latest(&mut self) -> Result<Option<i64>, Error> {
        let latest = self
            .connection
            .prepare_cached("SELECT max(at_us) FROM watermarks WHERE plant = ?1")
            .and_then(|mut statement| statement.query_row([self.plant], |row| row.get(0)));
        self.inbox(latest)
    }

    fn settle(&mut self, place: Place, settlement: &Settlement, now: i64) -> Result<bool, Error> {
        let settled = self.settle_one(place, settlement, now);
        self.inbox(settled)
    }

    fn extend(&mut self, place: Place, _visible: Duration) -> Result<bool, Error> {
        let held = self
            .connection
            .prepare_cached("SELECT 1 FROM inbox WHERE id = ?1 AND plant = ?2 AND state = 1 AND fence = ?3")
            .and_then(|mut statement| statement.exists([place.id, self.plant, place.fence]));
        self.inbox(held)
    }

    fn recover(&mut self) -> Result<u64, Error> {
        let recovered = self
            .connection
            .execute("UPDATE inbox SET state = 0 WHERE plant = ?1 AND state = 1", [self.plant]);
        Ok(self.inbox(recovered)? as u64)
    }

    fn inbox_counts(&mut self) -> Result<InboxCounts, Error> {
        let read = || -> rusqlite::Result<InboxCounts> {
            let mut counts = InboxCounts::default();
            let mut grouped = self
                .connection
                .prepare_cached("SELECT state, count(*) FROM inbox WHERE plant = ?1 GROUP BY state")?;
            let mut rows = grouped.query([self.plant])?;
            while let Some(row) = rows.next()? {
                let count = row.get::<_, i64>(1)?.cast_unsigned();
                match InboxState::from_number(row.get(0)?) {
                    Some(InboxState::Ready) => counts.ready = count,
                    Some(InboxState::HandedOut) => counts.handed_out = count,
                    Some(InboxState::Waiting) => counts.waiting = count,
                    Some(InboxState::Acked) => counts.acked = count,
                    Some(InboxState::Dead) => counts.dead = count,
                    Some(InboxState::Skipped) => counts.skipped = count,
                    None => {}
                }
            }
            Ok(counts)
        };
        self.inbox(read())
    }

    fn inbox_entries(
        &mut self,
        state: Option<InboxState>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<InboxEntry>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = || -> rusqlite::Result<Vec<InboxEntry>> {
            let filter = state.map(|state| format!(" AND state = {}", state.number())).unwrap_or_default();
            let sql = format!("{ENTRY} WHERE plant = ?3 AND id > ?1{filter} ORDER BY id LIMIT ?2");
            self.connection.prepare_cached(&sql)?.query_map([after, limit, self.plant], entry)?.collect()
        };
        self.inbox(read())
    }

    fn inbox_entry(&mut self, id: i64) -> Result<Option<InboxEntry>, Error> {
        let read = self
            .connection
            .prepare_cached(&format!("{ENTRY} WHERE id = ?1 AND plant = ?2"))
            .and_then(|mut statement| statement.query_row([id, self.plant], entry).optional());
        self.inbox(read)
    }

    fn replay(&mut self, id: i64) -> Result<bool, Error> {
        let replayed = self.connection.execute(
            "UPDATE inbox SET state = 0, attempts = 0, reason = NULL, settled_us = NULL \
             WHERE id = ?1 AND plant = ?2 AND state IN (3, 4) AND body IS NOT NULL",
            [id, self.plant],
        );
        Ok(self.inbox(replayed)? > 0)
    }

    fn replay_dead(&mut self) -> Result<u64, Error> {
        let replayed = self.connection.execute(
            "UPDATE inbox SET state = 0, attempts = 0, reason = NULL, settled_us = NULL \
             WHERE plant = ?1 AND state = 4",
            [self.plant],
        );
        Ok(self.inbox(replayed)? as u64)
    }

    fn drop_dead(&mut self, id: i64, now: i64) -> Result<bool, Error> {
        let dropped = self.connection.execute(
            "UPDATE inbox SET state = 5, settled_us = ?2 WHERE id = ?1 AND plant = ?3 AND state = 4",
            [id, now, self.plant],
        );
        Ok(self.inbox(dropped)? > 0)
    }

    fn expire_inbox(&mut self, before: i64, limit: usize) -> Result<usize, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let expired = self.connection.execute(
            "UPDATE inbox SET body = NULL WHERE id IN (SELECT id FROM inbox \
             WHERE plant = ?3 AND state = 3 AND body IS NOT NULL AND settled_us < ?1 ORDER BY settled_us LIMIT ?2)",
            [before, limit, self.plant],
        );
        self.inbox(expired)
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<InboxEntry> {
    let order_index: i64 = row.get(3)?;
    let operation_id: String = row.get(2)?;
    let source: String = row.get(8)?;
    let body: Option<String> = row.get(13)?;
    Ok(InboxEntry {
        id: row.get(0)?,
        external_order_id: row.get(1)?,
        operation_id: (!operation_id.is_empty()).then_some(operation_id),
        order_index: order_index.max(0),
        at: if order_index == UNREADABLE { None } else { Some(time(row.get(4)?)) },
        produced_serial: row.get(5)?,
        state: InboxState::from_number(row.get(6)?).unwrap_or(InboxState::Dead),
        attempts: row.get(7)?,
        source: Source::from_name(&source).unwrap_or(Source::CatchUp),
        arrived: time(row.get(9)?),
        due: row.get::<_, Option<i64>>(10)?.map(time),
        settled: row.get::<_, Option<i64>>(11)?.map(time),
        reason: row.get(12)?,
        raw: body.and_then(|body| Json::new(body).ok()),
    })
}
