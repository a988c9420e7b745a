//! The outbox in PostgreSQL.
//!
//! Two rows have the same key when order and operation are the same, and the index is, or one of them is about all units
//! (index -1). A later row waits for every unsettled earlier one of its key.
//!
//! What is queued, and queued again, is so under the plant's lock: numbers are then given in the order in which they can be
//! seen, so an earlier one of the same key that is not settled is in every snapshot that has the later one. Rows that others hold
//! are skipped, so nobody who holds the lock waits for somebody who waits for the lock. An order that is being sent belongs to its node until that is gone.

use std::sync::LazyLock;

use tokio_postgres::Row;

use super::inbox::{NEXT_FENCE, SOON};
use super::session::Values;
use super::text::{check, kept};
use super::{Postgres, Table};
use crate::error::Error;
use crate::json::Json;
use crate::orders::Units;
use crate::store::inbox_table::{Place, time};
use crate::store::outbox_table::{
    Again, ClaimedOrder, Enqueued, NewOrder, OrderClaim, OrderKind, OrderSettlement, OutboxCounts,
    OutboxEntry, OutboxFailure, OutboxState, OutboxTable, Reason, Retried,
};

const WHAT: &str = "the outbox cannot be read or written";

const ENTRY: &str = "SELECT id, kind, order_id, operation_id, order_index, input, state, attempts, queued_us, \
                     due_us, settled_us, superseded_by, message, error_code, error, graphql_errors, request_id \
                     FROM outbox";

/// The index of an order that is about all units.
const ALL: i64 = -1;

/// After so many tries an order goes alone, so that one that the server stumbles over does not hold others up for ever.
const TRIES_IN_BATCHES: i32 = 3;

/// Queues an order, unless its request id is known, and supersedes the saves that it makes pointless. One that is being sent
/// is not touched: what becomes of it is not known yet. Cancels stay as well. One whose row is locked is just being handed to a
/// sender.
const ENQUEUE: &str = "\
    WITH known AS (\
        SELECT id, kind = $2 AND order_id = $3 AND operation_id = $4 AND order_index = $5 AND input = $6 AS same \
        FROM outbox WHERE plant = $1 AND request_id = $8\
    ), added AS (\
        INSERT INTO outbox (plant, kind, order_id, operation_id, order_index, input, queued_us, request_id) \
        SELECT $1, $2::smallint, $3, $4, $5::bigint, $6, $7::bigint, $8 WHERE NOT EXISTS (SELECT 1 FROM known) RETURNING id\
    ), pointless AS (\
        SELECT outbox.id, added.id AS by FROM added JOIN outbox ON outbox.plant = $1 AND outbox.order_id = $3 \
        AND outbox.operation_id = $4 AND outbox.state < 3 AND outbox.state <> 1 AND outbox.kind = 0 \
        AND ($5 = -1 OR outbox.order_index = $5) FOR UPDATE OF outbox SKIP LOCKED\
    ), superseded AS (\
        UPDATE outbox SET state = 5, settled_us = $7, superseded_by = pointless.by, due_us = NULL \
        FROM pointless WHERE outbox.plant = $1 AND outbox.id = pointless.id RETURNING outbox.id\
    ) SELECT known.id, known.same, added.id, (SELECT count(*) FROM superseded) \
    FROM (VALUES (1)) AS always LEFT JOIN known ON true LEFT JOIN added ON true";

/// `outbox` has a sender that is gone.
const LOST: &str =
    "NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = outbox.node AND nodes.until > clock_timestamp())";

/// Hands out what can go: the first, and when that may go with others, those that may as well. As in the inbox, candidates come
/// from an index each, and no more are locked than are taken; and what began to wait in the future waits as long as it was to,
/// from now on.
pub(super) static CLAIM: LazyLock<String> = LazyLock::new(|| {
    let candidates = format!(
        "SELECT id FROM outbox WHERE plant = $1 AND state = 1 AND {LOST} \
         UNION ALL (SELECT id FROM outbox WHERE plant = $1 AND state = 2 AND due_us <= $2 ORDER BY due_us {SOON}) \
         UNION ALL (SELECT id FROM outbox WHERE plant = $1 AND state = 0 ORDER BY id {SOON})"
    );
    // Nothing unsettled of the same key stands before it.
    let free = format!(
        "SELECT id, $3::bigint <= 1 OR kind = 1 OR alone OR attempts >= {TRIES_IN_BATCHES} AS lonely FROM outbox \
         WHERE plant = $1 AND id = candidate.id \
         AND (state = 0 OR (state = 2 AND due_us <= $2) OR (state = 1 AND {LOST})) \
         AND NOT EXISTS (\
            SELECT 1 FROM outbox AS before WHERE before.plant = $1 AND before.order_id = outbox.order_id \
            AND before.operation_id = outbox.operation_id AND before.order_index IN (outbox.order_index, -1) \
            AND before.state < 3 AND before.id < outbox.id) \
         AND (outbox.order_index >= 0 OR NOT EXISTS (\
            SELECT 1 FROM outbox AS before WHERE before.plant = $1 AND before.order_id = outbox.order_id \
            AND before.operation_id = outbox.operation_id AND before.state < 3 AND before.id < outbox.id))"
    );
    format!(
        "WITH ahead AS (\
            SELECT id FROM outbox WHERE plant = $1 AND state = 2 AND tried_us > $2 AND due_us > $2 \
            FOR UPDATE SKIP LOCKED\
        ), rebased AS (\
            UPDATE outbox SET due_us = $2 + (due_us - tried_us), tried_us = $2 \
            FROM ahead WHERE outbox.plant = $1 AND outbox.id = ahead.id RETURNING due_us\
        ), first AS MATERIALIZED (\
            SELECT this.id, this.lonely FROM ({candidates}) AS candidate \
            CROSS JOIN LATERAL ({free} FOR UPDATE OF outbox SKIP LOCKED) AS this LIMIT 1\
        ), rest AS MATERIALIZED (\
            SELECT this.id FROM first CROSS JOIN LATERAL (\
                SELECT together.id FROM ({candidates}) AS candidate CROSS JOIN LATERAL (\
                    SELECT id FROM ({free} AND candidate.id <> first.id AND NOT first.lonely \
                    AND kind = 0 AND NOT alone AND attempts < {TRIES_IN_BATCHES} \
                    FOR UPDATE OF outbox SKIP LOCKED) AS locked\
                ) AS together LIMIT $3 - 1\
            ) AS this\
        ), taken AS (SELECT id, lonely FROM first UNION ALL SELECT id, false FROM rest), handed AS (\
            UPDATE outbox SET state = 1, attempts = attempts + 1, fence = fence + {NEXT_FENCE}, node = $4, due_us = NULL, \
            unsure = unsure OR state = 1 \
            FROM taken WHERE outbox.plant = $1 AND outbox.id = taken.id \
            RETURNING outbox.id, fence, kind, input, attempts, unsure, taken.lonely\
        ) SELECT handed.*, CASE WHEN handed.id IS NULL THEN least(\
            (SELECT min(due_us) FROM rebased), \
            (SELECT min(due_us) FROM outbox WHERE plant = $1 AND state = 2 AND due_us > $2 AND tried_us <= $2)\
        ) END AS due FROM (VALUES (1)) AS always LEFT JOIN handed ON true ORDER BY handed.id"
    )
});

/// The first later one of the same key as `this` that has not failed.
const OVERTAKER: &str = "SELECT later.id FROM outbox AS later WHERE later.plant = this.plant \
                         AND later.order_id = this.order_id AND later.operation_id = this.operation_id \
                         AND (this.order_index = -1 OR later.order_index IN (this.order_index, -1)) \
                         AND later.id > this.id AND later.state < 4 ORDER BY later.id LIMIT 1";

fn index_of(units: Units) -> i64 {
    match units {
        Units::One(index) => i64::from(index),
        Units::All => ALL,
    }
}

impl Postgres {
    fn orders(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<OutboxEntry>, Error> {
        Ok(self.session.query(WHAT, sql, values)?.iter().map(entry).collect())
    }

    /// What is to be sent again; a save for which a later order came while it was being sent is superseded by that.
    fn send_again(
        &mut self,
        place: Place,
        again: Again,
        reason: Option<&Reason>,
        marks: (bool, bool, bool),
        now: i64,
    ) -> Result<bool, Error> {
        let (alone, unsure, counts) = marks;
        let (state, due) = match again {
            Again::Queued => (0_i16, None),
            Again::At(due) => (2, Some(due)),
        };
        let sql = "WITH later AS (\
                   SELECT min(later.id) AS id FROM outbox AS this JOIN outbox AS later ON later.plant = this.plant \
                   AND later.order_id = this.order_id AND later.operation_id = this.operation_id \
                   AND later.order_index IN (this.order_index, -1) AND later.state < 3 AND later.id > this.id \
                   WHERE this.plant = $1 AND this.id = $2 AND this.kind = 0) \
                   UPDATE outbox SET state = CASE WHEN later.id IS NULL THEN $4::smallint ELSE 5 END, \
                   due_us = CASE WHEN later.id IS NULL THEN $5::bigint END, tried_us = $6::bigint, \
                   settled_us = CASE WHEN later.id IS NOT NULL THEN $6 END, superseded_by = later.id, \
                   alone = alone OR $7, unsure = unsure OR $8, attempts = attempts - $9::integer, \
                   error_code = coalesce($10, error_code), error = coalesce($11, error), \
                   graphql_errors = CASE WHEN $10 IS NULL THEN graphql_errors ELSE $12 END, node = NULL \
                   FROM later WHERE outbox.plant = $1 AND outbox.id = $2 AND state = 1 AND fence = $3";
        let values: Values<'_> = &[
            &self.plant,
            &place.id,
            &place.fence,
            &state,
            &due,
            &now,
            &alone,
            &unsure,
            &i32::from(!counts),
            &reason.map(|reason| reason.code),
            &reason.map(|reason| kept(&reason.text)),
            &reason.and_then(|reason| reason.graphql_errors.as_deref()).map(kept),
        ];
        Ok(self.session.execute(WHAT, sql, values)? > 0)
    }
}

impl OutboxTable for Postgres {
    fn enqueue(&mut self, order: &NewOrder, now: i64) -> Result<Enqueued, Error> {
        check("external_order_id", &order.order_id)?;
        check("operation_id", &order.operation_id)?;
        check("request_id", order.request_id.as_deref().unwrap_or_default())?;
        self.lock(Table::Outbox);
        let values: Values<'_> = &[
            &self.plant,
            &kind(order.kind),
            &order.order_id,
            &order.operation_id,
            &index_of(order.units),
            &order.input,
            &now,
            &order.request_id,
        ];
        let row = self.session.query_one(WHAT, ENQUEUE, values)?;
        Ok(match row.get::<_, Option<i64>>(0) {
            Some(id) => Enqueued::Known { id, same: row.get(1) },
            None => Enqueued::New { id: row.get(2), superseded: row.get::<_, i64>(3).cast_unsigned() },
        })
    }

    fn claim_orders(&mut self, limit: usize, now: i64) -> Result<OrderClaim, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX).max(1);
        let node = self.node();
        let rows = self.session.query(WHAT, &CLAIM, &[&self.plant, &now, &limit, &node])?;
        let mut orders = Vec::with_capacity(rows.len());
        let mut due = None;
        for row in &rows {
            let Some(id) = row.get::<_, Option<i64>>(0) else {
                due = row.get(7);
                continue;
            };
            let order = ClaimedOrder {
                id,
                fence: row.get(1),
                kind: OrderKind::from_number(row.get::<_, i16>(2).into()),
                input: row.get(3),
                attempt: row.get::<_, i32>(4).cast_unsigned(),
                unsure: row.get(5),
            };
            if row.get(6) {
                return Ok(OrderClaim::Single(order));
            }
            orders.push(order);
        }
        Ok(if orders.is_empty() { OrderClaim::Nothing { due } } else { OrderClaim::Batch(orders) })
    }

    fn settle_order(&mut self, place: Place, settlement: &OrderSettlement, now: i64) -> Result<bool, Error> {
        let settled = match settlement {
            OrderSettlement::Sent { message } => {
                let sql = "UPDATE outbox SET state = 3, settled_us = $4, tried_us = $4, message = $5, \
                           error_code = NULL, error = NULL, graphql_errors = NULL, node = NULL \
                           WHERE plant = $1 AND id = $2 AND state = 1 AND fence = $3";
                let values: Values<'_> = &[&self.plant, &place.id, &place.fence, &now, &kept(message)];
                self.session.execute(WHAT, sql, values)?
            }
            OrderSettlement::Failed(reason) => {
                let sql = "UPDATE outbox SET state = 4, settled_us = $4, tried_us = $4, error_code = $5, error = $6, \
                           graphql_errors = $7, node = NULL \
                           WHERE plant = $1 AND id = $2 AND state = 1 AND fence = $3";
                let values: Values<'_> = &[
                    &self.plant,
                    &place.id,
                    &place.fence,
                    &now,
                    &reason.code,
                    &kept(&reason.text),
                    &reason.graphql_errors.as_deref().map(kept),
                ];
                self.session.execute(WHAT, sql, values)?
            }
            OrderSettlement::Retry { again, reason, alone, unsure, counts } => {
                return self.send_again(place, *again, reason.as_ref(), (*alone, *unsure, *counts), now);
            }
        };
        Ok(settled > 0)
    }

    // What other nodes are sending ends with them. This one has one sender of a plant at a time, so what it is said to be
    // sending a sender was that has ended.
    fn recover_orders(&mut self) -> Result<u64, Error> {
        let sql = "UPDATE outbox SET state = 0, unsure = true, node = NULL WHERE plant = $1 AND state = 1 AND node = $2";
        let node = self.node();
        self.session.execute(WHAT, sql, &[&self.plant, &node])
    }

    fn outbox_counts(&mut self) -> Result<OutboxCounts, Error> {
        // Each from an index of its own.
        let sql = "SELECT (SELECT count(*) FROM outbox WHERE plant = $1 AND state = 0), \
                   (SELECT count(*) FROM outbox WHERE plant = $1 AND state = 1), \
                   (SELECT count(*) FROM outbox WHERE plant = $1 AND state = 2), \
                   (SELECT count(*) FROM outbox WHERE plant = $1 AND state = 3), \
                   (SELECT count(*) FROM outbox WHERE plant = $1 AND state = 4), \
                   (SELECT count(*) FROM outbox WHERE plant = $1 AND state = 5), \
                   (SELECT count(*) FROM outbox WHERE plant = $1 AND state = 6)";
        let row = self.session.query_one(WHAT, sql, &[&self.plant])?;
        let count = |state: OutboxState| {
            row.get::<_, i64>(usize::try_from(state.number()).unwrap_or_default()).cast_unsigned()
        };
        Ok(OutboxCounts {
            queued: count(OutboxState::Queued),
            sending: count(OutboxState::Sending),
            waiting: count(OutboxState::Waiting),
            sent: count(OutboxState::Sent),
            failed: count(OutboxState::Failed),
            superseded: count(OutboxState::Superseded),
            dropped: count(OutboxState::Dropped),
        })
    }

    fn has_unsent(&mut self) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE plant = $1 AND state < 3)";
        Ok(self.session.query_one(WHAT, sql, &[&self.plant])?.get(0))
    }

    fn outbox_entries(
        &mut self,
        state: Option<OutboxState>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // The number stands in the text, because only then the index of that one state can be used.
        let filter = state.map(|state| format!(" AND state = {}", state.number())).unwrap_or_default();
        let sql = format!("{ENTRY} WHERE plant = $1 AND id > $2{filter} ORDER BY id LIMIT $3");
        let plant = self.plant;
        self.orders(&sql, &[&plant, &after, &limit])
    }

    fn outbox_entry(&mut self, id: i64) -> Result<Option<OutboxEntry>, Error> {
        let plant = self.plant;
        Ok(self.orders(&format!("{ENTRY} WHERE plant = $1 AND id = $2"), &[&plant, &id])?.pop())
    }

    fn outbox_of(&mut self, order_id: &str) -> Result<Vec<OutboxEntry>, Error> {
        let plant = self.plant;
        let sql = format!("{ENTRY} WHERE plant = $1 AND order_id = $2 ORDER BY id");
        self.orders(&sql, &[&plant, &kept(order_id)])
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
        // The column compares byte by byte, as the file does.
        let sql = format!(
            "{ENTRY} WHERE plant = $1 AND request_id >= $2 AND request_id < $3 AND request_id > $4 \
             ORDER BY request_id LIMIT $5"
        );
        let plant = self.plant;
        self.orders(&sql, &[&plant, &kept(prefix), &kept(&end), &kept(after), &limit])
    }

    fn retry_order(&mut self, id: i64) -> Result<Retried, Error> {
        self.lock(Table::Outbox);
        let sql = format!(
            "WITH found AS (SELECT id, state, ({OVERTAKER}) AS later FROM outbox AS this WHERE plant = $1 AND id = $2), \
             queued AS (UPDATE outbox SET state = 0, attempts = 0, settled_us = NULL FROM found \
             WHERE outbox.plant = $1 AND outbox.id = found.id AND outbox.state = 4 AND found.later IS NULL RETURNING outbox.id) \
             SELECT found.state, found.later, EXISTS (SELECT 1 FROM queued) FROM found"
        );
        let Some(row) = self.session.query_opt(WHAT, &sql, &[&self.plant, &id])? else {
            return Ok(Retried::Missing);
        };
        let state = OutboxState::from_number(row.get::<_, i16>(0).into()).unwrap_or(OutboxState::Queued);
        let queued: bool = row.get(2);
        Ok(match (state, row.get(1)) {
            _ if queued => Retried::Queued,
            (OutboxState::Failed, Some(later)) => Retried::Overtaken(later),
            // Somebody has dropped it meanwhile.
            (OutboxState::Failed, None) => Retried::NotFailed(OutboxState::Dropped),
            (other, _) => Retried::NotFailed(other),
        })
    }

    fn retry_failed_orders(&mut self) -> Result<u64, Error> {
        self.lock(Table::Outbox);
        // All are looked at in one snapshot: they do not overtake each other while they are updated.
        let sql = format!(
            "WITH failed AS (SELECT id FROM outbox AS this WHERE plant = $1 AND state = 4 \
             AND NOT EXISTS ({OVERTAKER}) FOR UPDATE OF this SKIP LOCKED) \
             UPDATE outbox SET state = 0, attempts = 0, settled_us = NULL FROM failed \
             WHERE outbox.plant = $1 AND outbox.id = failed.id"
        );
        self.session.execute(WHAT, &sql, &[&self.plant])
    }

    fn drop_order(&mut self, id: i64, now: i64) -> Result<bool, Error> {
        // One whose row is locked is just being handed to a sender, and is too late to be dropped.
        let sql = "WITH found AS (SELECT id FROM outbox WHERE plant = $1 AND id = $2 AND state IN (0, 2, 4) \
                   FOR UPDATE SKIP LOCKED) \
                   UPDATE outbox SET state = 6, settled_us = $3, due_us = NULL FROM found \
                   WHERE outbox.plant = $1 AND outbox.id = found.id";
        Ok(self.session.execute(WHAT, sql, &[&self.plant, &id, &now])? > 0)
    }

    fn refuse_line(&mut self, import: &str, line: u64, reason: &Reason, now: i64) -> Result<(), Error> {
        let sql = "INSERT INTO import_refusals (plant, import, line, refused_us, error_code, error) \
                   VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (plant, import, line) DO UPDATE SET \
                   refused_us = excluded.refused_us, error_code = excluded.error_code, error = excluded.error";
        let values: Values<'_> =
            &[&self.plant, &kept(import), &line.cast_signed(), &now, &reason.code, &kept(&reason.text)];
        self.session.execute(WHAT, sql, values).map(|_| ())
    }

    fn refused_lines(&mut self, import: &str) -> Result<Vec<(u64, Reason)>, Error> {
        let sql = "SELECT line, error_code, error FROM import_refusals WHERE plant = $1 AND import = $2 ORDER BY line";
        let rows = self.session.query(WHAT, sql, &[&self.plant, &kept(import)])?;
        Ok(rows
            .iter()
            .map(|row| {
                let reason = Reason { code: row.get(1), text: row.get(2), graphql_errors: None };
                (row.get::<_, i64>(0).cast_unsigned(), reason)
            })
            .collect())
    }

    fn expire_outbox(&mut self, before: i64, limit: usize) -> Result<usize, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut deleted = 0;
        for state in [OutboxState::Sent, OutboxState::Superseded, OutboxState::Dropped] {
            let sql = format!(
                "WITH old AS (SELECT id FROM outbox WHERE plant = $1 AND state = {} AND settled_us < $2 \
                 ORDER BY settled_us LIMIT $3 FOR UPDATE SKIP LOCKED) \
                 DELETE FROM outbox USING old WHERE outbox.plant = $1 AND outbox.id = old.id",
                state.number()
            );
            deleted += self.session.execute(WHAT, &sql, &[&self.plant, &before, &limit])?;
        }
        let sql = "WITH old AS (SELECT import, line FROM import_refusals WHERE plant = $1 AND refused_us < $2 \
                   FOR UPDATE SKIP LOCKED) DELETE FROM import_refusals AS refused USING old \
                   WHERE refused.plant = $1 AND refused.import = old.import AND refused.line = old.line";
        self.session.execute(WHAT, sql, &[&self.plant, &before])?;
        Ok(usize::try_from(deleted).unwrap_or(usize::MAX))
    }
}

fn kind(kind: OrderKind) -> i16 {
    i16::try_from(kind.number()).unwrap_or_default()
}

fn entry(row: &Row) -> OutboxEntry {
    let index: i64 = row.get(4);
    let error = row.get::<_, Option<i32>>(13).map(|code| OutboxFailure {
        code,
        message: row.get::<_, Option<String>>(14).unwrap_or_default(),
        graphql_errors: row.get(15),
    });
    OutboxEntry {
        id: row.get(0),
        kind: OrderKind::from_number(row.get::<_, i16>(1).into()),
        external_order_id: row.get(2),
        operation_id: row.get(3),
        units: u32::try_from(index).map_or(Units::All, Units::One),
        input: Json::new(row.get::<_, String>(5)).unwrap_or_default(),
        state: OutboxState::from_number(row.get::<_, i16>(6).into()).unwrap_or(OutboxState::Failed),
        attempts: row.get::<_, i32>(7).cast_unsigned(),
        queued: time(row.get(8)),
        due: row.get::<_, Option<i64>>(9).map(time),
        settled: row.get::<_, Option<i64>>(10).map(time),
        superseded_by: row.get(11),
        message: row.get(12),
        error,
        request_id: row.get(16),
    }
}
