-- Operations as Pico last told of them. One that Pico lists no longer stays, with the time since when.
CREATE TABLE operations (
    id TEXT PRIMARY KEY,
    external_id TEXT,                     -- the part number without blanks around it; the body has it as it was sent
    external_revision TEXT,               -- the revision, likewise
    name TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    archived_us INTEGER,
    unlisted_us INTEGER,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX operations_part ON operations (external_id, external_revision);
CREATE INDEX operations_unlisted ON operations (unlisted_us) WHERE unlisted_us IS NOT NULL;

CREATE TABLE operation_codes (
    code TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    PRIMARY KEY (code, operation_id)
) WITHOUT ROWID;
CREATE INDEX operation_codes_of ON operation_codes (operation_id);

CREATE VIEW catalogue AS
SELECT
    id,
    external_id,
    external_revision,
    name,
    strftime('%Y-%m-%dT%H:%M:%fZ', updated_us / 1e6, 'unixepoch') AS updated,
    strftime('%Y-%m-%dT%H:%M:%fZ', archived_us / 1e6, 'unixepoch') AS archived,
    (SELECT group_concat(code, ' | ') FROM operation_codes WHERE operation_id = operations.id) AS codes,
    unlisted_us IS NULL AS listed,
    strftime('%Y-%m-%dT%H:%M:%fZ', unlisted_us / 1e6, 'unixepoch') AS unlisted,
    body
FROM operations;
