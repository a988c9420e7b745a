-- Orders on their way to Pico. Ids are never used twice, also when the last row has expired: callers keep them.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of queueing
    order_id TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    order_index INTEGER NOT NULL,         -- -1 for all units, of a cancel
    kind INTEGER NOT NULL,                -- 0 save, 1 cancel
    input TEXT NOT NULL,                  -- the mutation's input, as it is sent
    state INTEGER NOT NULL DEFAULT 0,     -- 0 queued, 1 sending, 2 waiting, 3 sent, 4 failed, 5 superseded, 6 dropped
    attempts INTEGER NOT NULL DEFAULT 0,
    alone INTEGER NOT NULL DEFAULT 0,     -- 1: not to be put into a batch
    unsure INTEGER NOT NULL DEFAULT 0,    -- 1: a try may have been carried out without an answer
    queued_us INTEGER NOT NULL,
    tried_us INTEGER,                     -- when the last try ended
    due_us INTEGER,
    settled_us INTEGER,
    superseded_by INTEGER,
    message TEXT,                         -- what Pico said: created, updated, canceled
    error_code INTEGER,
    error TEXT,
    graphql_errors TEXT,                  -- as Pico sent them, a JSON list
    request_id TEXT
);
CREATE INDEX outbox_order ON outbox (order_id, operation_id, order_index);
CREATE INDEX outbox_key ON outbox (order_id, operation_id, order_index) WHERE state < 3;
CREATE INDEX outbox_queued ON outbox (state) WHERE state = 0;
CREATE INDEX outbox_sending ON outbox (state) WHERE state = 1;
CREATE INDEX outbox_waiting ON outbox (due_us) WHERE state = 2;
CREATE INDEX outbox_sent ON outbox (settled_us) WHERE state = 3;
CREATE INDEX outbox_failed ON outbox (state) WHERE state = 4;
CREATE INDEX outbox_superseded ON outbox (settled_us) WHERE state = 5;
CREATE INDEX outbox_dropped ON outbox (settled_us) WHERE state = 6;
CREATE UNIQUE INDEX outbox_request ON outbox (request_id) WHERE request_id IS NOT NULL;

-- Lines of imported files that never became an order, so that the result of an import can be told from the store alone.
CREATE TABLE import_refusals (
    import TEXT NOT NULL,                 -- the digest of the file
    line INTEGER NOT NULL,
    refused_us INTEGER NOT NULL,
    error_code INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (import, line)
) WITHOUT ROWID;

CREATE VIEW orders AS
SELECT
    id,
    order_id,
    operation_id,
    CASE order_index WHEN -1 THEN 'all' ELSE order_index END AS order_index,
    CASE kind WHEN 0 THEN 'save' ELSE 'cancel' END AS kind,
    CASE state
        WHEN 0 THEN 'queued' WHEN 1 THEN 'sending' WHEN 2 THEN 'waiting' WHEN 3 THEN 'sent'
        WHEN 4 THEN 'failed' WHEN 5 THEN 'superseded' ELSE 'dropped'
    END AS state,
    attempts,
    strftime('%Y-%m-%dT%H:%M:%fZ', queued_us / 1e6, 'unixepoch') AS queued,
    strftime('%Y-%m-%dT%H:%M:%fZ', due_us / 1e6, 'unixepoch') AS due,
    strftime('%Y-%m-%dT%H:%M:%fZ', settled_us / 1e6, 'unixepoch') AS settled,
    superseded_by,
    message,
    error_code,
    error,
    graphql_errors,
    request_id,
    input
FROM outbox;
