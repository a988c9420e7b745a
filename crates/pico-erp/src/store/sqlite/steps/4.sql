-- Several plants in one store: every row belongs to one. What was there before belongs to the plant without a name. And a
-- fence: a number that grows each time a row is handed out, so that an answer of somebody who had it before is known.

DROP VIEW completions;
DROP VIEW orders;
DROP VIEW catalogue;

CREATE TABLE plants (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    instance TEXT                         -- the Pico that its rows belong to: the host of its endpoint
);
INSERT INTO plants (id, name) VALUES (1, '');

ALTER TABLE notes RENAME TO notes_3;
CREATE TABLE notes (
    plant INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (plant, name)
) WITHOUT ROWID;
INSERT INTO notes SELECT 1, name, value FROM notes_3;
DROP TABLE notes_3;

ALTER TABLE inbox ADD COLUMN plant INTEGER NOT NULL DEFAULT 1;
ALTER TABLE inbox ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
DROP INDEX inbox_key;
DROP INDEX inbox_state;
DROP INDEX inbox_waiting;
DROP INDEX inbox_expiring;
CREATE INDEX inbox_key ON inbox (plant, order_id, operation_id, order_index, at_us);
CREATE INDEX inbox_state ON inbox (plant, state);
CREATE INDEX inbox_waiting ON inbox (plant, due_us) WHERE state = 2;
CREATE INDEX inbox_expiring ON inbox (plant, settled_us) WHERE state = 3 AND body IS NOT NULL;

ALTER TABLE watermarks RENAME TO watermarks_3;
CREATE TABLE watermarks (
    plant INTEGER NOT NULL,
    source TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    heard_us INTEGER NOT NULL,
    reports INTEGER NOT NULL,
    PRIMARY KEY (plant, source)
) WITHOUT ROWID;
INSERT INTO watermarks SELECT 1, source, at_us, heard_us, reports FROM watermarks_3;
DROP TABLE watermarks_3;

ALTER TABLE outbox ADD COLUMN plant INTEGER NOT NULL DEFAULT 1;
ALTER TABLE outbox ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
DROP INDEX outbox_order;
DROP INDEX outbox_key;
DROP INDEX outbox_queued;
DROP INDEX outbox_sending;
DROP INDEX outbox_waiting;
DROP INDEX outbox_sent;
DROP INDEX outbox_failed;
DROP INDEX outbox_superseded;
DROP INDEX outbox_dropped;
DROP INDEX outbox_request;
CREATE INDEX outbox_order ON outbox (plant, order_id, operation_id, order_index);
CREATE INDEX outbox_key ON outbox (plant, order_id, operation_id, order_index) WHERE state < 3;
CREATE INDEX outbox_queued ON outbox (plant, state) WHERE state = 0;
CREATE INDEX outbox_sending ON outbox (plant, state) WHERE state = 1;
CREATE INDEX outbox_waiting ON outbox (plant, due_us) WHERE state = 2;
CREATE INDEX outbox_sent ON outbox (plant, settled_us) WHERE state = 3;
CREATE INDEX outbox_failed ON outbox (plant, state) WHERE state = 4;
CREATE INDEX outbox_superseded ON outbox (plant, settled_us) WHERE state = 5;
CREATE INDEX outbox_dropped ON outbox (plant, settled_us) WHERE state = 6;
CREATE UNIQUE INDEX outbox_request ON outbox (plant, request_id) WHERE request_id IS NOT NULL;

ALTER TABLE import_refusals RENAME TO import_refusals_3;
CREATE TABLE import_refusals (
    plant INTEGER NOT NULL,
    import TEXT NOT NULL,                 -- the digest of the file
    line INTEGER NOT NULL,
    refused_us INTEGER NOT NULL,
    error_code INTEGER NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (plant, import, line)
) WITHOUT ROWID;
INSERT INTO import_refusals SELECT 1, import, line, refused_us, error_code, error FROM import_refusals_3;
DROP TABLE import_refusals_3;

ALTER TABLE operations RENAME TO operations_3;
DROP INDEX operations_part;
DROP INDEX operations_unlisted;
CREATE TABLE operations (
    plant INTEGER NOT NULL,
    id TEXT NOT NULL,
    external_id TEXT,                     -- the part number without blanks around it; the body has it as it was sent
    external_revision TEXT,               -- the revision, likewise
    name TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    archived_us INTEGER,
    unlisted_us INTEGER,
    body TEXT NOT NULL,
    PRIMARY KEY (plant, id)
) WITHOUT ROWID;
INSERT INTO operations SELECT 1, id, external_id, external_revision, name, updated_us, archived_us, unlisted_us, body
FROM operations_3;
DROP TABLE operations_3;
CREATE INDEX operations_part ON operations (plant, external_id, external_revision);
CREATE INDEX operations_unlisted ON operations (plant, unlisted_us) WHERE unlisted_us IS NOT NULL;

ALTER TABLE operation_codes RENAME TO operation_codes_3;
DROP INDEX operation_codes_of;
CREATE TABLE operation_codes (
    plant INTEGER NOT NULL,
    code TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    PRIMARY KEY (plant, code, operation_id)
) WITHOUT ROWID;
INSERT INTO operation_codes SELECT 1, code, operation_id FROM operation_codes_3;
DROP TABLE operation_codes_3;
CREATE INDEX operation_codes_of ON operation_codes (plant, operation_id);

CREATE VIEW completions AS
SELECT
    id,
    (SELECT name FROM plants WHERE plants.id = plant) AS plant,
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

CREATE VIEW orders AS
SELECT
    id,
    (SELECT name FROM plants WHERE plants.id = plant) AS plant,
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

CREATE VIEW catalogue AS
SELECT
    (SELECT name FROM plants WHERE plants.id = plant) AS plant,
    id,
    external_id,
    external_revision,
    name,
    strftime('%Y-%m-%dT%H:%M:%fZ', updated_us / 1e6, 'unixepoch') AS updated,
    strftime('%Y-%m-%dT%H:%M:%fZ', archived_us / 1e6, 'unixepoch') AS archived,
    (SELECT group_concat(code, ' | ') FROM operation_codes
     WHERE operation_codes.plant = operations.plant AND operation_id = operations.id) AS codes,
    unlisted_us IS NULL AS listed,
    strftime('%Y-%m-%dT%H:%M:%fZ', unlisted_us / 1e6, 'unixepoch') AS unlisted,
    body
FROM operations;
