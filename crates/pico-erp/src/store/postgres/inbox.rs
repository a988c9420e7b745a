//! The inbox in PostgreSQL.
//!
//! Whoever adds a report holds the plant's lock, so that two nodes do not both find it missing. Whoever hands one out holds no
//! more than that row: rows that others hold are skipped, and one that a unit has to wait for is unsettled in every snapshot
//! until it is settled for good. A row that was handed out is a lease: it ends with its node, or when its time is over.

use std::sync::LazyLock;
use std::time::Duration;

use tokio_postgres::Row;

use super::session::Values;
use super::text::kept;
use super::{Postgres, Table};
use crate::error::Error;
use crate::json::Json;
use crate::store::inbox_table::{
    Arrival, Claim, Claimed, InboxCounts, InboxEntry, InboxState, InboxTable, Place, Received, Settlement,
    Source, Watermark, time,
};

const WHAT: &str = "the inbox cannot be read or written";

const ENTRY: &str = "SELECT id, order_id, operation_id, order_index, at_us, serial, state, attempts, source, \
                     arrived_us, due_us, settled_us, reason, body FROM inbox";

/// What a report's key is stored under, when it has none that can be read.
const UNREADABLE: i64 = -1;

/// The longest lease, in seconds: a century, which the database can add to a time.
const LONGEST: f64 = 3.2e9;

/// Adds a report that has no like, or the serial to one that lacks it. Whether the consumer has seen it is asked of the row as
/// it is when it is changed, which may be after somebody has claimed it.
const RECEIVE: &str = "\
    WITH alike AS (\
        SELECT id, serial FROM inbox \
        WHERE plant = $1 AND order_id = $2 AND operation_id = $3 AND order_index = $4 AND at_us = $5 \
        AND (serial IS NULL OR $6::text IS NULL OR serial = $6) ORDER BY id LIMIT 1\
    ), detailed AS (\
        UPDATE inbox SET serial = $6, \
        body = CASE WHEN inbox.state = 0 AND inbox.attempts = 0 THEN $7 ELSE inbox.body END \
        FROM alike WHERE inbox.plant = $1 AND inbox.id = alike.id AND alike.serial IS NULL AND $6 IS NOT NULL\
    ), added AS (\
        INSERT INTO inbox (plant, order_id, operation_id, order_index, at_us, serial, body, state, source, arrived_us) \
        SELECT $1, $2, $3, $4, $5, $6, CASE WHEN $8::smallint = 0 THEN $7 END, $8, $9, $10 \
        WHERE NOT EXISTS (SELECT 1 FROM alike) RETURNING id\
    ) SELECT EXISTS (SELECT 1 FROM added)";

/// No limit, but one that the database cannot know before: so it plans for the first few, which an index gives without sorting
/// all of a long backlog.
pub(super) const SOON: &str = "LIMIT (SELECT 9223372036854775807)";

/// How much a fence grows: by chance, since handing out is not synced. When the database loses its last moments, a row is
/// handed out anew, and must not get the number again that somebody still has.
pub(super) const NEXT_FENCE: &str = "1 + floor(random() * 1000000000)::bigint";

/// Nobody has `inbox` in hand any more, though it was handed out.
const LAPSED: &str = "(visible_until < clock_timestamp() OR NOT EXISTS (\
                      SELECT 1 FROM nodes WHERE nodes.id = inbox.node AND nodes.until > clock_timestamp()))";

/// Hands out the first that can be. Candidates come from an index each: what was handed out before, then what is new, in the
/// order of arrival. They are looked at one by one until one can be locked and is still what it was; a long backlog costs nothing.
///
/// A clock that was set back, or that is behind another node's, must not make a short wait a long one: what began to wait in
/// the future waits as long as it was to, from now on. That skips what is locked, so nodes do not wait for each other in it.
///
/// When there is nothing: the time of the next that waits, or whose lease runs out.
pub(super) static CLAIM: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH ahead AS (\
            SELECT id FROM inbox WHERE plant = $1 AND state = 2 AND settled_us > $2 AND due_us > $2 \
            FOR UPDATE SKIP LOCKED\
        ), rebased AS (\
            UPDATE inbox SET due_us = $2 + (due_us - settled_us), settled_us = $2 \
            FROM ahead WHERE inbox.plant = $1 AND inbox.id = ahead.id RETURNING due_us\
        ), taken AS MATERIALIZED (\
            SELECT this.id FROM (\
                SELECT id FROM inbox WHERE plant = $1 AND state = 1 AND {LAPSED} \
                UNION ALL (SELECT id FROM inbox WHERE plant = $1 AND state = 2 AND due_us <= $2 ORDER BY due_us {SOON}) \
                UNION ALL (SELECT id FROM inbox WHERE plant = $1 AND state = 0 ORDER BY id {SOON})\
            ) AS candidate CROSS JOIN LATERAL (\
                SELECT id FROM inbox WHERE plant = $1 AND id = candidate.id \
                AND (state = 0 OR (state = 2 AND due_us <= $2) OR (state = 1 AND {LAPSED})) \
                AND NOT EXISTS (\
                    SELECT 1 FROM inbox AS before WHERE before.plant = $1 AND before.order_id = inbox.order_id \
                    AND before.operation_id = inbox.operation_id AND before.order_index = inbox.order_index \
                    AND before.at_us <= inbox.at_us AND before.state < 3 \
                    AND (before.at_us < inbox.at_us OR before.id < inbox.id)) \
                FOR UPDATE OF inbox SKIP LOCKED\
            ) AS this LIMIT 1\
        ), handed AS (\
            UPDATE inbox SET due_us = NULL, \
            state = CASE WHEN attempts >= $3 THEN 4 ELSE 1 END, \
            attempts = CASE WHEN attempts >= $3 THEN attempts ELSE attempts + 1 END, \
            fence = CASE WHEN attempts >= $3 THEN fence ELSE fence + {NEXT_FENCE} END, \
            node = CASE WHEN attempts >= $3 THEN NULL ELSE $4::bigint END, \
            visible_until = CASE WHEN attempts < $3 THEN clock_timestamp() + $5::float8 * interval '1 second' END, \
            settled_us = CASE WHEN attempts >= $3 THEN $2 ELSE settled_us END, \
            reason = CASE WHEN attempts >= $3 THEN 'handed out ' || attempts || ' times and never settled' \
            ELSE reason END \
            FROM taken WHERE inbox.plant = $1 AND inbox.id = taken.id \
            RETURNING inbox.id, state, attempts, source, arrived_us, body, fence, reason\
        ) SELECT handed.*, CASE WHEN handed.id IS NULL THEN least(\
            (SELECT min(due_us) FROM rebased), \
            (SELECT min(due_us) FROM inbox WHERE plant = $1 AND state = 2 AND due_us > $2 AND settled_us <= $2), \
            (SELECT $2 + ceil(extract(epoch FROM min(visible_until) - clock_timestamp()) * 1000000)::bigint \
            FROM inbox WHERE plant = $1 AND state = 1 AND visible_until > clock_timestamp())\
        ) END AS due FROM (VALUES (1)) AS always LEFT JOIN handed ON true"
    )
});

impl Postgres {
    fn receive_as(&mut self, arrival: &Arrival, state: InboxState, now: i64) -> Result<Received, Error> {
        self.lock(Table::Inbox);
        let (order, operation) = (kept(&arrival.key.order_id), kept(&arrival.key.operation_id));
        let serial = arrival.serial.as_deref().map(kept);
        let row = self.session.query_one(
            WHAT,
            RECEIVE,
            &[
                &self.plant,
                &order,
                &operation,
                &arrival.key.order_index,
                &arrival.key.at,
                &serial,
                &arrival.body.as_str(),
                &number(state),
                &arrival.source.name(),
                &now,
            ],
        )?;
        Ok(if row.get(0) { Received::New } else { Received::Known })
    }

    fn bury(&mut self, id: i64, reason: &str, now: i64) -> Result<(), Error> {
        let sql = "UPDATE inbox SET state = 4, reason = $3, settled_us = $4, due_us = NULL, node = NULL, \
                   visible_until = NULL WHERE plant = $1 AND id = $2";
        self.session.execute(WHAT, sql, &[&self.plant, &id, &kept(reason), &now]).map(|_| ())
    }

    fn listed(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<InboxEntry>, Error> {
        Ok(self.session.query(WHAT, sql, values)?.iter().map(entry).collect())
    }
}

impl InboxTable for Postgres {
    fn receive(&mut self, arrival: &Arrival, now: i64) -> Result<Received, Error> {
        self.receive_as(arrival, InboxState::Ready, now)
    }

    fn receive_skipped(&mut self, arrival: &Arrival, now: i64) -> Result<Received, Error> {
        self.receive_as(arrival, InboxState::Skipped, now)
    }

    fn receive_unreadable(
        &mut self,
        body: &Json,
        source: Source,
        reason: &str,
        now: i64,
    ) -> Result<Received, Error> {
        self.lock(Table::Inbox);
        let sql = "INSERT INTO inbox (plant, order_id, operation_id, order_index, at_us, state, source, arrived_us, \
                   settled_us, reason, body) SELECT $1, '', '', $2, 0, 4, $3, $4, $4, $5, $6 WHERE NOT EXISTS \
                   (SELECT 1 FROM inbox WHERE plant = $1 AND order_id = '' AND operation_id = '' AND order_index = $2 \
                   AND body = $6)";
        let added = self.session.execute(
            WHAT,
            sql,
            &[&self.plant, &UNREADABLE, &source.name(), &now, &kept(reason), &body.as_str()],
        )?;
        Ok(if added == 0 { Received::Known } else { Received::New })
    }

    fn advance(&mut self, source: Source, at: i64, reports: u64, now: i64) -> Result<(), Error> {
        // The same order everywhere: first the lock, then this row.
        self.lock(Table::Inbox);
        let sql = "INSERT INTO watermarks AS known (plant, source, at_us, heard_us, reports) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (plant, source) DO UPDATE SET at_us = greatest(known.at_us, excluded.at_us), \
                   heard_us = excluded.heard_us, reports = known.reports + excluded.reports";
        let values: Values<'_> = &[&self.plant, &source.name(), &at, &now, &reports.cast_signed()];
        self.session.execute(WHAT, sql, values).map(|_| ())
    }

    fn watermarks(&mut self) -> Result<Vec<Watermark>, Error> {
        let sql = "SELECT source, at_us, heard_us, reports FROM watermarks WHERE plant = $1";
        let rows = self.session.query(WHAT, sql, &[&self.plant])?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                Some(Watermark {
                    source: Source::from_name(row.get(0))?,
                    at: time(row.get(1)),
                    heard: time(row.get(2)),
                    reports: row.get::<_, i64>(3).cast_unsigned(),
                })
            })
            .collect())
    }

    fn claim(&mut self, limit: u32, now: i64, visible: Duration) -> Result<Claim, Error> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let (node, visible) = (self.node(), seconds(visible));
        let values: Values<'_> = &[&self.plant, &now, &limit, &node, &visible];
        let row = self.session.query_one(WHAT, &CLAIM, values)?;
        let Some(id) = row.get::<_, Option<i64>>(0) else { return Ok(Claim::Nothing { due: row.get(8) }) };
        if row.get::<_, i16>(1) == number(InboxState::Dead) {
            return Ok(Claim::Dead { id, reason: row.get(7) });
        }
        let body: Option<String> = row.get(5);
        let body = match Json::new(body.unwrap_or_default()) {
            Ok(body) => body,
            Err(error) => {
                let reason = error.to_string();
                self.bury(id, &reason, now)?;
                return Ok(Claim::Dead { id, reason });
            }
        };
        Ok(Claim::One(Claimed {
            id,
            fence: row.get(6),
            attempt: row.get::<_, i32>(2).cast_unsigned(),
            source: Source::from_name(row.get(3)).unwrap_or(Source::CatchUp),
            arrived: row.get(4),
            body,
        }))
    }

    fn latest(&mut self) -> Result<Option<i64>, Error> {
        let sql = "SELECT max(at_us) FROM watermarks WHERE plant = $1";
        Ok(self.session.query_one(WHAT, sql, &[&self.plant])?.get(0))
    }

    // An answer that fits the fence is taken also when the time is over: nobody else was handed it.
    fn settle(&mut self, place: Place, settlement: &Settlement, now: i64) -> Result<bool, Error> {
        let (session, plant, Place { id, fence }) = (&mut self.session, self.plant, place);
        let settled = match settlement {
            Settlement::Ack => {
                let sql = "WITH acked AS (\
                           UPDATE inbox SET state = 3, settled_us = $4, reason = NULL, due_us = NULL, node = NULL, \
                           visible_until = NULL WHERE plant = $1 AND id = $2 AND state = 1 AND fence = $3 RETURNING id\
                           ) SELECT EXISTS (SELECT 1 FROM acked) OR EXISTS (\
                           SELECT 1 FROM inbox WHERE plant = $1 AND id = $2 AND state = 3 AND fence = $3)";
                return Ok(session.query_one(WHAT, sql, &[&plant, &id, &fence, &now])?.get(0));
            }
            Settlement::Retry { at, reason } => {
                let sql = "UPDATE inbox SET state = 2, due_us = $5, settled_us = $4, reason = $6, node = NULL, \
                           visible_until = NULL WHERE plant = $1 AND id = $2 AND state = 1 AND fence = $3";
                session.execute(WHAT, sql, &[&plant, &id, &fence, &now, at, &kept(reason)])?
            }
            Settlement::Dead { reason } => {
                let sql = "UPDATE inbox SET state = 4, settled_us = $4, reason = $5, due_us = NULL, node = NULL, \
                           visible_until = NULL WHERE plant = $1 AND id = $2 AND state = 1 AND fence = $3";
                session.execute(WHAT, sql, &[&plant, &id, &fence, &now, &kept(reason)])?
            }
            Settlement::Return => {
                let sql = "UPDATE inbox SET state = 0, attempts = attempts - 1, node = NULL, visible_until = NULL \
                           WHERE plant = $1 AND id = $2 AND state = 1 AND fence = $3";
                session.execute(WHAT, sql, &[&plant, &id, &fence])?
            }
        };
        Ok(settled > 0)
    }

    fn extend(&mut self, place: Place, visible: Duration) -> Result<bool, Error> {
        let sql = "UPDATE inbox SET visible_until = clock_timestamp() + $4::float8 * interval '1 second' \
                   WHERE plant = $1 AND id = $2 AND state = 1 AND fence = $3";
        let values: Values<'_> = &[&self.plant, &place.id, &place.fence, &seconds(visible)];
        Ok(self.session.execute(WHAT, sql, values)? > 0)
    }

    // What other nodes were handed ends with their leases. This one has one feed of a plant at a time, so what it was handed
    // was handed to a feed that has ended.
    fn recover(&mut self) -> Result<u64, Error> {
        let sql = "UPDATE inbox SET state = 0, node = NULL, visible_until = NULL \
                   WHERE plant = $1 AND state = 1 AND node = $2";
        let node = self.node();
        self.session.execute(WHAT, sql, &[&self.plant, &node])
    }

    fn inbox_counts(&mut self) -> Result<InboxCounts, Error> {
        // Each from an index of its own; acknowledged ones from two, so that acknowledging writes to no more of them.
        let sql = "SELECT (SELECT count(*) FROM inbox WHERE plant = $1 AND state = 0), \
                   (SELECT count(*) FROM inbox WHERE plant = $1 AND state = 1), \
                   (SELECT count(*) FROM inbox WHERE plant = $1 AND state = 2), \
                   (SELECT count(*) FROM inbox WHERE plant = $1 AND state = 3 AND body IS NOT NULL) + \
                   (SELECT count(*) FROM inbox WHERE plant = $1 AND state = 3 AND body IS NULL), \
                   (SELECT count(*) FROM inbox WHERE plant = $1 AND state = 4), \
                   (SELECT count(*) FROM inbox WHERE plant = $1 AND state = 5)";
        let row = self.session.query_one(WHAT, sql, &[&self.plant])?;
        let count = |column: usize| row.get::<_, i64>(column).cast_unsigned();
        Ok(InboxCounts {
            ready: count(0),
            handed_out: count(1),
            waiting: count(2),
            acked: count(3),
            dead: count(4),
            skipped: count(5),
        })
    }

    fn inbox_entries(
        &mut self,
        state: Option<InboxState>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<InboxEntry>, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // The number stands in the text, because only then the index of that one state can be used.
        let filter = state.map(|state| format!(" AND state = {}", state.number())).unwrap_or_default();
        let sql = format!("{ENTRY} WHERE plant = $1 AND id > $2{filter} ORDER BY id LIMIT $3");
        let plant = self.plant;
        self.listed(&sql, &[&plant, &after, &limit])
    }

    fn inbox_entry(&mut self, id: i64) -> Result<Option<InboxEntry>, Error> {
        let plant = self.plant;
        Ok(self.listed(&format!("{ENTRY} WHERE plant = $1 AND id = $2"), &[&plant, &id])?.pop())
    }

    fn replay(&mut self, id: i64) -> Result<bool, Error> {
        self.lock(Table::Inbox);
        let sql = "UPDATE inbox SET state = 0, attempts = 0, reason = NULL, settled_us = NULL \
                   WHERE plant = $1 AND id = $2 AND state IN (3, 4) AND body IS NOT NULL";
        Ok(self.session.execute(WHAT, sql, &[&self.plant, &id])? > 0)
    }

    fn replay_dead(&mut self) -> Result<u64, Error> {
        self.lock(Table::Inbox);
        let sql = "UPDATE inbox SET state = 0, attempts = 0, reason = NULL, settled_us = NULL \
                   WHERE plant = $1 AND state = 4";
        self.session.execute(WHAT, sql, &[&self.plant])
    }

    fn drop_dead(&mut self, id: i64, now: i64) -> Result<bool, Error> {
        self.lock(Table::Inbox);
        let sql = "UPDATE inbox SET state = 5, settled_us = $3 WHERE plant = $1 AND id = $2 AND state = 4";
        Ok(self.session.execute(WHAT, sql, &[&self.plant, &id, &now])? > 0)
    }

    fn expire_inbox(&mut self, before: i64, limit: usize) -> Result<usize, Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // What another node is expiring right now is skipped: two that wait for each other would be worse.
        let sql = "WITH old AS (SELECT id FROM inbox WHERE plant = $1 AND state = 3 AND body IS NOT NULL \
                   AND settled_us < $2 ORDER BY settled_us LIMIT $3 FOR UPDATE SKIP LOCKED) \
                   UPDATE inbox SET body = NULL FROM old WHERE inbox.plant = $1 AND inbox.id = old.id";
        let expired = self.session.execute(WHAT, sql, &[&self.plant, &before, &limit])?;
        Ok(usize::try_from(expired).unwrap_or(usize::MAX))
    }
}

fn number(state: InboxState) -> i16 {
    i16::try_from(state.number()).unwrap_or_default()
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64().min(LONGEST)
}

fn entry(row: &Row) -> InboxEntry {
    let order_index: i64 = row.get(3);
    let operation_id: String = row.get(2);
    let body: Option<String> = row.get(13);
    InboxEntry {
        id: row.get(0),
        external_order_id: row.get(1),
        operation_id: (!operation_id.is_empty()).then_some(operation_id),
        order_index: order_index.max(0),
        at: (order_index != UNREADABLE).then(|| time(row.get(4))),
        produced_serial: row.get(5),
        state: InboxState::from_number(row.get::<_, i16>(6).into()).unwrap_or(InboxState::Dead),
        attempts: row.get::<_, i32>(7).cast_unsigned(),
        source: Source::from_name(row.get(8)).unwrap_or(Source::CatchUp),
        arrived: time(row.get(9)),
        due: row.get::<_, Option<i64>>(10).map(time),
        settled: row.get::<_, Option<i64>>(11).map(time),
        reason: row.get(12),
        raw: body.and_then(|body| Json::new(body).ok()),
    }
}
