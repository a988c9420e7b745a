-- Times are microseconds since 1970 in UTC, as in the file. States are numbers; the views at the end spell them out. Leases
-- are told by this database's own clock: the clocks of the nodes may differ. Ids compare byte by byte, as in the file.

CREATE TABLE plants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    instance text                         -- the Pico that its rows belong to: the host of its endpoint
);

-- A row for each process that has the store open. One that is not heard of before its time is over counts as dead, and what
-- it had in hand is handed to others; it comes back as another node.
CREATE TABLE nodes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    until timestamptz NOT NULL,
    wants integer NOT NULL DEFAULT 0      -- how many parts it would play, so that the others know when to leave it some
);

-- Parts that one node at a time plays for a plant. The token grows with each holder, so that a former one is known.
CREATE TABLE leases (
    plant bigint NOT NULL REFERENCES plants,
    role text NOT NULL,                   -- feed, catalogue
    node bigint,                          -- NULL when it was given up
    token bigint NOT NULL DEFAULT 0,
    ready boolean NOT NULL DEFAULT false, -- the holder misses nothing any more
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plant, role)
);
CREATE INDEX leases_node ON leases (node);

CREATE TABLE notes (
    plant bigint NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (plant, name)
);

-- One row for each completion, for ever: the key is how one is known again that Pico still lists. The text is dropped
-- some time after it was acknowledged.
CREATE TABLE inbox (
    plant bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY, -- in the order of arrival; never the same in two plants
    order_id text COLLATE "C" NOT NULL,
    operation_id text COLLATE "C" NOT NULL, -- '' where Pico named none
    order_index bigint NOT NULL,
    at_us bigint NOT NULL,
    serial text COLLATE "C",
    state smallint NOT NULL,              -- 0 ready, 1 handed out, 2 waiting, 3 acked, 4 dead, 5 skipped
    attempts integer NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,      -- grows each time it is handed out
    node bigint,                          -- who has it, while it is handed out
    visible_until timestamptz,            -- until when, if it does not answer
    source text NOT NULL,
    arrived_us bigint NOT NULL,
    due_us bigint,
    settled_us bigint,
    reason text,
    body text,
    PRIMARY KEY (plant, id)
);
CREATE INDEX inbox_key ON inbox (plant, order_id, operation_id, order_index, at_us);
CREATE INDEX inbox_ready ON inbox (plant, id) WHERE state = 0;
CREATE INDEX inbox_handed_out ON inbox (plant) WHERE state = 1;
CREATE INDEX inbox_waiting ON inbox (plant, due_us) WHERE state = 2;
CREATE INDEX inbox_ahead ON inbox (plant, settled_us) WHERE state = 2;
CREATE INDEX inbox_dead ON inbox (plant, id) WHERE state = 4;
CREATE INDEX inbox_expiring ON inbox (plant, settled_us) WHERE state = 3 AND body IS NOT NULL;
CREATE INDEX inbox_expired ON inbox (plant) WHERE state = 3 AND body IS NULL;
CREATE INDEX inbox_skipped ON inbox (plant, id) WHERE state = 5;

CREATE TABLE watermarks (
    plant bigint NOT NULL,
    source text COLLATE "C" NOT NULL,
    at_us bigint NOT NULL,
    heard_us bigint NOT NULL,
    reports bigint NOT NULL,
    PRIMARY KEY (plant, source)
);

CREATE TABLE outbox (
    plant bigint NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY, -- in the order of queueing; never the same in two plants
    order_id text COLLATE "C" NOT NULL,
    operation_id text COLLATE "C" NOT NULL,
    order_index bigint NOT NULL,          -- -1 for all units, of a cancel
    kind smallint NOT NULL,               -- 0 save, 1 cancel
    input text NOT NULL,                  -- the mutation's input, as it is sent
    state smallint NOT NULL DEFAULT 0,    -- 0 queued, 1 sending, 2 waiting, 3 sent, 4 failed, 5 superseded, 6 dropped
    attempts integer NOT NULL DEFAULT 0,
    fence bigint NOT NULL DEFAULT 0,      -- grows each time it is handed to a sender
    node bigint,                          -- whose sender has it, while it is sending
    alone boolean NOT NULL DEFAULT false, -- not to be put into a batch
    unsure boolean NOT NULL DEFAULT false, -- a try may have been carried out without an answer
    queued_us bigint NOT NULL,
    tried_us bigint,                      -- when the last try ended
    due_us bigint,
    settled_us bigint,
    superseded_by bigint,
    message text,                         -- what Pico said: created, updated, canceled
    error_code integer,
    error text,
    graphql_errors text,                  -- as Pico sent them, a JSON list
    request_id text COLLATE "C",
    PRIMARY KEY (plant, id)
);
CREATE INDEX outbox_order ON outbox (plant, order_id, operation_id, order_index);
CREATE INDEX outbox_key ON outbox (plant, order_id, operation_id, order_index, id) WHERE state < 3;
CREATE INDEX outbox_queued ON outbox (plant, id) WHERE state = 0;
CREATE INDEX outbox_sending ON outbox (plant) WHERE state = 1;
CREATE INDEX outbox_waiting ON outbox (plant, due_us) WHERE state = 2;
CREATE INDEX outbox_ahead ON outbox (plant, tried_us) WHERE state = 2;
CREATE INDEX outbox_sent ON outbox (plant, settled_us) WHERE state = 3;
CREATE INDEX outbox_failed ON outbox (plant, id) WHERE state = 4;
CREATE INDEX outbox_superseded ON outbox (plant, settled_us) WHERE state = 5;
CREATE INDEX outbox_dropped ON outbox (plant, settled_us) WHERE state = 6;
CREATE UNIQUE INDEX outbox_request ON outbox (plant, request_id) WHERE request_id IS NOT NULL;

CREATE TABLE import_refusals (
    plant bigint NOT NULL,
    import text COLLATE "C" NOT NULL,     -- the digest of the file
    line bigint NOT NULL,
    refused_us bigint NOT NULL,
    error_code integer NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (plant, import, line)
);

CREATE TABLE operations (
    plant bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    external_id text COLLATE "C",         -- the part number without blanks around it; the body has it as it was sent
    external_revision text COLLATE "C",   -- the revision, likewise
    name text NOT NULL,
    updated_us bigint NOT NULL,
    archived_us bigint,
    unlisted_us bigint,
    body text NOT NULL,
    PRIMARY KEY (plant, id)
);
CREATE INDEX operations_part ON operations (plant, external_id, external_revision);
CREATE INDEX operations_unlisted ON operations (plant, unlisted_us) WHERE unlisted_us IS NOT NULL;

CREATE TABLE operation_codes (
    plant bigint NOT NULL,
    code text COLLATE "C" NOT NULL,
    operation_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (plant, code, operation_id)
);
CREATE INDEX operation_codes_of ON operation_codes (plant, operation_id);

CREATE VIEW completions AS
SELECT
    id,
    (SELECT name FROM plants WHERE plants.id = plant) AS plant,
    order_id,
    operation_id,
    order_index,
    to_timestamp(at_us / 1e6) AS at,
    serial,
    CASE state
        WHEN 0 THEN 'ready' WHEN 1 THEN 'handed_out' WHEN 2 THEN 'waiting'
        WHEN 3 THEN 'acked' WHEN 4 THEN 'dead' ELSE 'skipped'
    END AS state,
    attempts,
    source,
    (SELECT name FROM nodes WHERE nodes.id = node) AS node,
    to_timestamp(arrived_us / 1e6) AS arrived,
    to_timestamp(due_us / 1e6) AS due,
    to_timestamp(settled_us / 1e6) AS settled,
    reason,
    body
FROM inbox;

CREATE VIEW orders AS
SELECT
    id,
    (SELECT name FROM plants WHERE plants.id = plant) AS plant,
    order_id,
    operation_id,
    CASE order_index WHEN -1 THEN 'all' ELSE order_index::text END AS order_index,
    CASE kind WHEN 0 THEN 'save' ELSE 'cancel' END AS kind,
    CASE state
        WHEN 0 THEN 'queued' WHEN 1 THEN 'sending' WHEN 2 THEN 'waiting' WHEN 3 THEN 'sent'
        WHEN 4 THEN 'failed' WHEN 5 THEN 'superseded' ELSE 'dropped'
    END AS state,
    attempts,
    (SELECT name FROM nodes WHERE nodes.id = node) AS node,
    to_timestamp(queued_us / 1e6) AS queued,
    to_timestamp(due_us / 1e6) AS due,
    to_timestamp(settled_us / 1e6) AS settled,
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
    to_timestamp(updated_us / 1e6) AS updated,
    to_timestamp(archived_us / 1e6) AS archived,
    (SELECT string_agg(code, ' | ') FROM operation_codes
     WHERE operation_codes.plant = operations.plant AND operation_id = operations.id) AS codes,
    unlisted_us IS NULL AS listed,
    to_timestamp(unlisted_us / 1e6) AS unlisted,
    body
FROM operations;

-- Who plays which part, and who is there.
CREATE VIEW roles AS
SELECT
    plants.name AS plant,
    leases.role,
    nodes.name AS node,
    nodes.until > clock_timestamp() AS alive,
    leases.ready,
    leases.token,
    leases.since
FROM leases JOIN plants ON plants.id = leases.plant LEFT JOIN nodes ON nodes.id = leases.node;
