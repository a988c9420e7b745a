//! The outbox in SQLite.
//!
//! Two rows have the same key when order and operation are the same, and the index is, or one of them is about all
//! units (index -1). A later row waits for every unsettled earlier one of its key.

use rusqlite::{OptionalExtension as _, Row, params};

use super::Sqlite;
use crate::error::Error;
use crate::json::Json;
use crate::orders::Units;
use crate::store::inbox_table::{Place, time};
use crate::store::outbox_table::{
    Again, ClaimedOrder, Enqueued, NewOrder, OrderClaim, OrderKind, OrderSettlement, OutboxCounts,
    OutboxEntry, OutboxFailure, OutboxState, OutboxTable, Reason, Retried,
};

const ENTRY: &str = "SELECT id, kind, order_id, operation_id, order_index, input, state, attempts, queued_us, \
                     due_us, settled_us, superseded_by, message, error_code, error, graphql_errors, request_id \
                     FROM outbox";

/// The index of an order that is about all units.
const ALL: i64 = -1;

/// After so many tries an order goes alone, so that one that the server stumbles over does not hold others up for ever.
const TRIES_IN_BATCHES: u32 = 3;

/// Nothing unsettled of the same key stands before `this`.
const FREE: &str = "NOT EXISTS (SELECT 1 FROM outbox AS before WHERE before.plant = this.plant AND before.order_id = this.order_id \
                    AND before.operation_id = this.operation_id AND before.order_index IN (this.order_index, -1) \
                    AND before.state < 3 AND before.id < this.id) \
                    AND (this.order_index >= 0 OR NOT EXISTS (SELECT 1 FROM outbox AS before \
                    WHERE before.plant = this.plant AND before.order_id = this.order_id AND before.operation_id = this.operation_id \
                    AND before.state < 3 AND before.id < this.id))";

/// A later one of the same key was queued after `this` and has not failed.
const OVERTAKER: &str = "SELECT later.id FROM outbox AS later WHERE later.plant = this.plant \
                         AND later.order_id = this.order_id AND later.operation_id = this.operation_id \
                         AND later.order_index IN (this.order_index, -1) \
                         AND later.id > this.id AND later.state < 4 \
                         UNION ALL SELECT later.id FROM outbox AS later WHERE this.order_index = -1 \
                         AND later.plant = this.plant AND later.order_id = this.order_id AND later.operation_id = this.operation_id \
                         AND later.id > this.id AND later.state < 4";

fn index_of(units: Units) -> i64 {
    match units {
        Units::One(index) => i64::from(index),
        Units::All => ALL,
    }
}

impl Sqlite {
    fn outbox<T>(&self, result: rusqlite::Result<T>) -> Result<T, Error> {
        result.map_err(|error| self.failure.of("the outbox cannot be read or written", error))
    }

    fn known(&self, order: &NewOrder) -> rusqlite::Result<Option<Enqueued>> {
        let Some(request_id) = &order.request_id else { return Ok(None) };
        self.connection
            .prepare_cached(
                "SELECT id, kind = ?2 AND order_id = ?3 AND operation_id = ?4 AND order_index = ?5 AND input = ?6 \
                 FROM outbox WHERE plant = ?7 AND request_id = ?1",
            )?
            .query_row(
                params![
                    request_id,
                    order.kind.number(),
                    order.order_id,
                    order.operation_id,
                    index_of(order.units),
                    order.input,
                    self.plant
                ],
                |row| Ok(Enqueued::Known { id: row.get(0)?, same: row.get(1)? }),
            )
            .optional()
    }

    fn enqueue_one(&mut self, order: &NewOrder, now: i64) -> rusqlite::Result<Enqueued> {
        if let Some(known) = self.known(order)? {
            return Ok(known);
        }
        let index = index_of(order.units);
        self.connection
            .prepare_cached(
                "INSERT INTO outbox (order_id, operation_id, order_index, kind, input, queued_us, request_id, plant) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                order.order_id,
                order.operation_id,
                index,
                order.kind.number(),
                order.input,
                now,
                order.request_id,
                self.plant
            ])?;
        let id = self.connection.last_insert_rowid();
        // One that is being sent is not touched: what becomes of it is not known yet. Cancels stay as well.
        let one = if index == ALL { "" } else { " AND order_index = ?6" };
        let sql = format!(
            "UPDATE outbox SET state = 5, settled_us = ?4, superseded_by = ?3, due_us = NULL \
             WHERE plant = ?5 AND order_id = ?1 AND operation_id = ?2 AND state < 3 AND state <> 1 AND kind = 0 \
             AND id < ?3{one}"
        );
        let mut supersede = self.connection.prepare_cached(&sql)?;
        let superseded = if index == ALL {
            supersede.execute(params![order.order_id, order.operation_id, id, now, self.plant])?
        } else {
            supersede.execute(params![order.order_id, order.operation_id, id, now, self.plant, index])?
        };
        Ok(Enqueued::New { id, superseded: superseded as u64 })
    }

    fn wake(&self, now: i64) -> rusqlite::Result<()> {
        // As in the inbox: a clock that was set back must not make a short wait a long one.
        self.connection
            .prepare_cached(
                "UPDATE outbox SET due_us = ?1 + (due_us - tried_us), tried_us = ?1 \
                 WHERE plant = ?2 AND state = 2 AND due_us > ?1 AND tried_us > ?1",
            )?
            .execute([now, self.plant])?;
        self.connection
            .prepare_cached(
                "UPDATE outbox SET state = 0, due_us = NULL WHERE plant = ?2 AND state = 2 AND due_us <= ?1",
            )?
            .execute([now, self.plant])?;
        Ok(())
    }

    /// What can go now: one alone, or several together. Nothing is marked yet.
    fn sendable(&self, limit: usize) -> rusqlite::Result<(bool, Vec<ClaimedOrder>)> {
        let sql = format!(
            "SELECT id, kind, input, attempts, unsure, alone, fence FROM outbox AS this \
             WHERE plant = ?1 AND state = 0 AND {FREE} ORDER BY id"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([self.plant])?;
        let mut together = Vec::new();
        while together.len() < limit.max(1) {
            let Some(row) = rows.next()? else { break };
            let attempts: u32 = row.get(3)?;
            let order = ClaimedOrder {
                id: row.get(0)?,
                fence: row.get::<_, i64>(6)? + 1,
                kind: OrderKind::from_number(row.get(1)?),
                input: row.get(2)?,
                attempt: attempts + 1,
                unsure: row.get(4)?,
            };
            let alone = limit <= 1
                || order.kind == OrderKind::Cancel
                || row.get::<_, bool>(5)?
                || attempts >= TRIES_IN_BATCHES;
            match (alone, together.is_empty()) {
                (true, true) => return Ok((true, vec![order])),
                // Its turn comes next time, when it is the first.
                (true, false) => {}
                (false, _) => together.push(order),
            }
        }
        Ok((false, together))
    }

    fn claim_some(&mut self, limit: usize, now: i64) -> rusqlite::Result<OrderClaim> {
        self.wake(now)?;
        let (alone, mut orders) = self.sendable(limit)?;
        for order in &orders {
            self.connection
                .prepare_cached(
                    "UPDATE outbox SET state = 1, attempts = attempts + 1, fence = fence + 1 WHERE id = ?1",
                )?
                .execute([order.id])?;
        }
        if alone && let Some(order) = orders.pop() {
            return Ok(OrderClaim::Single(order));
        }
        if orders.is_empty() {
            let due = self
                .connection
                .prepare_cached("SELECT min(due_us) FROM outbox WHERE plant = ?1 AND state = 2")?
                .query_row([self.plant], |row| row.get(0))?;
            return Ok(OrderClaim::Nothing { due });
        }
        Ok(OrderClaim::Batch(orders))
    }

    fn settle_sent(
        &mut self,
        place: Place,
        settlement: &OrderSettlement,
        now: i64,
    ) -> rusqlite::Result<bool> {
        let (plant, Place { id, fence }) = (self.plant, place);
        let settled = match settlement {
            OrderSettlement::Sent { message } => self
                .connection
                .prepare_cached(
                    "UPDATE outbox SET state = 3, settled_us = ?2, tried_us = ?2, message = ?3, \
                     error_code = NULL, error = NULL, graphql_errors = NULL \
                     WHERE id = ?1 AND plant = ?5 AND state = 1 AND fence = ?4",
                )?
                .execute(params![id, now, message, fence, plant])?,
            OrderSettlement::Failed(reason) => self
                .connection
                .prepare_cached(
                    "UPDATE outbox SET state = 4, settled_us = ?2, tried_us = ?2, error_code = ?3, error = ?4, \
                     graphql_errors = ?5 WHERE id = ?1 AND plant = ?7 AND state = 1 AND fence = ?6",
                )?
                .execute(params![id, now, reason.code, reason.text, reason.graphql_errors, fence, plant])?,
            OrderSettlement::Retry { again, reason, alone, unsure, counts } => {
                let (state, due) = match again {
                    Again::Queued => (0, None),
                    Again::At(due) => (2, Some(*due)),
                };
                let changed = self
                    .connection
                    .prepare_cached(
                        "UPDATE outbox SET state = ?2, due_us = ?3, tried_us = ?4, alone = alone OR ?5, \
                         unsure = unsure OR ?6, attempts = attempts - ?7, error_code = ifnull(?8, error_code), \
                         error = ifnull(?9, error), graphql_errors = CASE WHEN ?8 IS NULL THEN graphql_errors \
                         ELSE ?10 END WHERE id = ?1 AND plant = ?12 AND state = 1 AND fence = ?11",
                    )?
                    .execute(params![
                        id,
                        state,
                        due,
                        now,
                        alone,
                        unsure,
                        i64::from(!counts),
                        reason.as_ref().map(|reason| reason.code),
                        reason.as_ref().map(|reason| reason.text.as_str()),
                        reason.as_ref().and_then(|reason| reason.graphql_errors.as_deref()),
                        fence,
                        plant
                    ])?;
                if changed > 0 {
                    self.step_back(id, now)?;
                }
                changed
            }
        };
        Ok(settled > 0)
    }

    /// A save that is to be sent again, and for which a later order came while it was being sent, is superseded by that.
    fn step_back(&self, id: i64, now: i64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE outbox SET state = 5, settled_us = ?2, due_us = NULL, superseded_by = later.id FROM (\
                 SELECT min(later.id) AS id FROM outbox AS later JOIN outbox AS this ON this.id = ?1 \
                 WHERE later.plant = this.plant AND later.order_id = this.order_id \
                 AND later.operation_id = this.operation_id \
                 AND later.order_index IN (this.order_index, -1) AND later.state < 3 AND later.id > ?1) AS later \
                 WHERE outbox.id = ?1 AND outbox.kind = 0 AND later.id IS NOT NULL",
            )?
            .execute([id, now])?;
        Ok(())
    }

    fn counts(&self) -> rusqlite::Result<OutboxCounts> {
        // The number stands in the text, because only then SQLite can use the index of that one state.
        let count = |state: OutboxState| -> rusqlite::Result<u64> {
            self.connection
                .prepare_cached(&format!(
                    "SELECT count(*) FROM outbox WHERE plant = ?1 AND state = {}",
                    state.number()
                ))?
                .query_row([self.plant], |row| row.get::<_, i64>(0))
                .map(i64::cast_unsigned)
        };
        Ok(OutboxCounts {
            queued: count(OutboxState::Queued)?,
            sending: count(OutboxState::Sending)?,
            waiting: count(OutboxState::Waiting)?,
            sent: count(OutboxState::Sent)?,
            failed: count(OutboxState::Failed)?,
            superseded: count(OutboxState::Superseded)?,
            dropped: count(OutboxState::Dropped)?,
        })
    }

    fn retry_one(&self, id: i64) -> rusqlite::Result<Retried> {
        let sql =
            format!("SELECT state, ({OVERTAKER} LIMIT 1) FROM outbox AS this WHERE id = ?1 AND plant = ?2");
        let found: Option<(i64, Option<i64>)> = self
            .connection
            .prepare_cached(&sql)?
            .query_row([id, self.plant], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        Ok(match found {
            None => Retried::Missing,
            Some((4, Some(later))) => Retried::Overtaken(later),
            Some((4, None)) => {
                self.connection.execute(
                    "UPDATE outbox SET state = 0, attempts = 0, settled_us = NULL WHERE id = ?1",
                    [id],
                )?;
                Retried::Queued
            }
            Some((state, _)) => {
                Retried::NotFailed(OutboxState::from_number(state).unwrap_or(OutboxState::Queued))
            }
        })
    }
}

impl OutboxTable for Sqlite {
    fn enqueue(&mut self, order: &NewOrder, now: i64) -> Result<Enqueued, Error> {
        let queued = self.enqueue_one(order, now);
        self.outbox(queued)
    }

    fn claim_orders(&mut self, limit: usize, now: i64) -> Result<OrderClaim, Error> {
        let claim = self.claim_some(limit, now);
        self.outbox(claim)
    }

    fn settle_order(&mut self, place: Place, settlement: &OrderSettlement, now: i64) -> Result<bool, Error> {
        let settled = self.settle_sent(place, settlement, now);
        self.outbox(settled)
    }

    fn recover_orders(&mut self) -> Result<u64, Error> {
        let recovered = self
            .connection
            .execute("UPDATE outbox SET state = 0, unsure = 1 WHERE plant = ?1 AND state = 1", [self.plant]);
        Ok(self.outbox(recovered)? as u64)
    }

    fn outbox_counts(&mut self) -> Result<OutboxCounts, Error> {
        self.outbox(self.counts())
    }

    fn has_unsent(&mut self) -> Result<bool, Error> {
        let found = self
            .connection
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM outbox WHERE plant = ?1 AND state < 3)")
            .and_then(|mut statement| statement.query_row([self.plant], |row| row.get(0)));
        self.outbox(found)
    }

    fn outbox_entries(
        &mut self,
        state: Option<OutboxState>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = || -> rusqlite::Result<Vec<OutboxEntry>> {
            let filter = state.map(|state| format!(" AND state = {}", state.number())).unwrap_or_default();
            let sql = format!("{ENTRY} WHERE plant = ?3 AND id > ?1{filter} ORDER BY id LIMIT ?2");
            self.connection.prepare_cached(&sql)?.query_map([after, limit, self.plant], entry)?.collect()
        };
        self.outbox(read())
    }

    fn outbox_entry(&mut self, id: i64) -> Result<Option<OutboxEntry>, Error> {
        let read = self
            .connection
            .prepare_cached(&format!("{ENTRY} WHERE id = ?1 AND plant = ?2"))
            .and_then(|mut statement| statement.query_row([id, self.plant], entry).optional());
        self.outbox(read)
    }

    fn outbox_of(&mut self, order_id: &str) -> Result<Vec<OutboxEntry>, Error> {
        let read = || -> rusqlite::Result<Vec<OutboxEntry>> {
            let sql = format!("{ENTRY} WHERE plant = ?2 AND order_id = ?1 ORDER BY id");
            self.connection.prepare_cached(&sql)?.query_map(params![order_id, self.plant], entry)?.collect()
        };
        self.outbox(read())
    }

    fn outbox_requests(
        &mut self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // Above every text that begins with the prefix: U+10FFFF is no character.
        let end = format!("{prefix}\u{10ffff}");
        let read = || -> rusqlite::Result<Vec<OutboxEntry>> {
            let sql = format!(
                "{ENTRY} WHERE plant = ?5 AND request_id >= ?1 AND request_id < ?2 AND request_id > ?3 \
                 ORDER BY request_id LIMIT ?4"
            );
            self.connection
                .prepare_cached(&sql)?
                .query_map(params![prefix, end, after, limit, self.plant], entry)?
                .collect()
        };
        self.outbox(read())
    }

    fn retry_order(&mut self, id: i64) -> Result<Retried, Error> {
        self.outbox(self.retry_one(id))
    }

    fn retry_failed_orders(&mut self) -> Result<u64, Error> {
        // Which they are is settled first: they must not overtake each other while they are updated.
        let ids = || -> rusqlite::Result<u64> {
            let select = format!(
                "SELECT id FROM outbox AS this WHERE plant = ?1 AND state = 4 AND NOT EXISTS ({OVERTAKER})"
            );
            let ids: Vec<i64> = self
                .connection
                .prepare(&select)?
                .query_map([self.plant], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let mut update = self.connection.prepare_cached(
                "UPDATE outbox SET state = 0, attempts = 0, settled_us = NULL WHERE id = ?1",
            )?;
            for id in &ids {
                update.execute([id])?;
            }
            Ok(ids.len() as u64)
        };
        self.outbox(ids())
    }

    fn drop_order(&mut self, id: i64, now: i64) -> Result<bool, Error> {
        let dropped = self.connection.execute(
            "UPDATE outbox SET state = 6, settled_us = ?2, due_us = NULL WHERE id = ?1 AND plant = ?3 AND state IN (0, 2, 4)",
            [id, now, self.plant],
        );
        Ok(self.outbox(dropped)? > 0)
    }

    fn refuse_line(&mut self, import: &str, line: u64, reason: &Reason, now: i64) -> Result<(), Error> {
        let kept = self
            .connection
            .prepare_cached(
                "INSERT INTO import_refusals (import, line, refused_us, error_code, error, plant) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (plant, import, line) DO UPDATE SET \
                 refused_us = excluded.refused_us, error_code = excluded.error_code, error = excluded.error",
            )
            .and_then(|mut insert| {
                insert.execute(params![import, line.cast_signed(), now, reason.code, reason.text, self.plant])
            });
        self.outbox(kept).map(|_| ())
    }

    fn refused_lines(&mut self, import: &str) -> Result<Vec<(u64, Reason)>, Error> {
        let read = || -> rusqlite::Result<Vec<(u64, Reason)>> {
            self.connection
                .prepare_cached(
                    "SELECT line, error_code, error FROM import_refusals WHERE plant = ?2 AND import = ?1 ORDER BY line",
                )?
                .query_map(params![import, self.plant], |row| {
                    let reason = Reason { code: row.get(1)?, text: row.get(2)?, graphql_errors: None };
                    Ok((row.get::<_, i64>(0)?.cast_unsigned(), reason))
                })?
                .collect()
        };
        self.outbox(read())
    }

    fn expire_outbox(&mut self, before: i64, limit: usize) -> Result<usize, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let delete = || -> rusqlite::Result<usize> {
            let mut deleted = 0;
            for state in [OutboxState::Sent, OutboxState::Superseded, OutboxState::Dropped] {
                let sql = format!(
                    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE plant = ?3 AND state = {} AND settled_us < ?1 \
                     ORDER BY settled_us LIMIT ?2)",
                    state.number()
                );
                deleted += self.connection.execute(&sql, [before, limit, self.plant])?;
            }
            self.connection.execute(
                "DELETE FROM import_refusals WHERE plant = ?2 AND refused_us < ?1",
                [before, self.plant],
            )?;
            Ok(deleted)
        };
        self.outbox(delete())
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<OutboxEntry> {
    let index: i64 = row.get(4)?;
    let input: String = row.get(5)?;
    let code: Option<i32> = row.get(13)?;
    let error = match code {
        None => None,
        Some(code) => Some(OutboxFailure {
            code,
            message: row.get::<_, Option<String>>(14)?.unwrap_or_default(),
            graphql_errors: row.get(15)?,
        }),
    };
    Ok(OutboxEntry {
        id: row.get(0)?,
        kind: OrderKind::from_number(row.get(1)?),
        external_order_id: row.get(2)?,
        operation_id: row.get(3)?,
        units: u32::try_from(index).map_or(Units::All, Units::One),
        input: Json::new(input).unwrap_or_default(),
        state: OutboxState::from_number(row.get(6)?).unwrap_or(OutboxState::Failed),
        attempts: row.get(7)?,
        queued: time(row.get(8)?),
        due: row.get::<_, Option<i64>>(9)?.map(time),
        settled: row.get::<_, Option<i64>>(10)?.map(time),
        superseded_by: row.get(11)?,
        message: row.get(12)?,
        error,
        request_id: row.get(16)?,
    })
}
