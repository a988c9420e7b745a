-- Times are microseconds since 1970 in UTC. States are numbers; the views at the end spell them out.

CREATE TABLE notes (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row for each completion, for ever: the key is how one is known again that Pico still lists. The text is dropped
-- some time after it was acknowledged.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,               -- in the order of arrival
    order_id TEXT NOT NULL,
    operation_id TEXT NOT NULL,           -- '' where Pico named none
    order_index INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    serial TEXT,
    state INTEGER NOT NULL,               -- 0 ready, 1 handed out, 2 waiting, 3 acked, 4 dead, 5 skipped
    attempts INTEGER NOT NULL DEFAULT 0,
    source TEXT NOT NULL,
    arrived_us INTEGER NOT NULL,
    due_us INTEGER,
    settled_us INTEGER,
    reason TEXT,
    body TEXT
);
CREATE INDEX inbox_key ON inbox (order_id, operation_id, order_index, at_us);
CREATE INDEX inbox_state ON inbox (state);
CREATE INDEX inbox_waiting ON inbox (due_us) WHERE state = 2;
CREATE INDEX inbox_expiring ON inbox (settled_us) WHERE state = 3 AND body IS NOT NULL;

CREATE TABLE watermarks (
    source TEXT PRIMARY KEY,
    at_us INTEGER NOT NULL,
    heard_us INTEGER NOT NULL,
    reports INTEGER NOT NULL
) WITHOUT ROWID;

CREATE VIEW completions AS
SELECT
    id,
    order_id,
    operation_id,
    order_index,
    strftime('%Y-%m-%dT%H:%M:%fZ', at_us / 1e6, 'unixepoch') AS at,
    serial,
    CASE state
        WHEN 0 THEN 'ready' WHEN 1 THEN 'handed_out' WHEN 2 THEN 'waiting'
        WHEN 3 THEN 'acked' WHEN 4 THEN 'dead' ELSE 'skipped'
    END AS state,
    attempts,
    source,
    strftime('%Y-%m-%dT%H:%M:%fZ', arrived_us / 1e6, 'unixepoch') AS arrived,
    strftime('%Y-%m-%dT%H:%M:%fZ', due_us / 1e6, 'unixepoch') AS due,
    strftime('%Y-%m-%dT%H:%M:%fZ', settled_us / 1e6, 'unixepoch') AS settled,
    reason,
    body
FROM inbox;
