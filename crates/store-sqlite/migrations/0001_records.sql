-- The records of the first release. Ids are unsigned 64-bit numbers kept as the signed number with the same bits; times are
-- milliseconds since 1970. Secrets are sealed, wrapped or hashed before they come here.

CREATE TABLE vault (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    key_check   BLOB NOT NULL,
    ledger_key  BLOB NOT NULL,
    last_number INTEGER NOT NULL
) STRICT;

CREATE TABLE ring_keys (
    number     INTEGER PRIMARY KEY,
    wrapped    BLOB NOT NULL,
    active     INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE data_keys (
    project INTEGER NOT NULL REFERENCES projects (id),
    number  INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (project, number)
) STRICT, WITHOUT ROWID;

-- Every sealed record. The kinds' numbers are those of `RowKind`.
CREATE TABLE rows (
    kind     INTEGER NOT NULL,
    id       INTEGER NOT NULL,
    project  INTEGER NOT NULL REFERENCES projects (id),
    revision INTEGER NOT NULL,
    sealed   BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

-- A sequence is never given out twice; the books remember the last one.
-- The state comes last, so that reading the other columns does not walk through it.
CREATE TABLE channels (
    sequence     INTEGER PRIMARY KEY,
    project      INTEGER NOT NULL REFERENCES projects (id),
    id           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    capabilities INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    state        TEXT NOT NULL,
    UNIQUE (project, id)
) STRICT;

-- Token and channel are of one project: the writer looks both up within it before it inserts, and deletes these rows with theirs.
CREATE TABLE subscriptions (
    token     INTEGER NOT NULL,
    channel   INTEGER NOT NULL,
    ephemeral INTEGER NOT NULL,
    PRIMARY KEY (token, channel)
) STRICT, WITHOUT ROWID;

CREATE INDEX subscriptions_by_channel ON subscriptions (channel);

CREATE TABLE audit (
    sequence   INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    project    INTEGER,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    count      INTEGER NOT NULL,
    detail     TEXT,
    request_id TEXT,
    address    TEXT,
    mac        BLOB NOT NULL
) STRICT;

-- The only one: each index makes every change dearer, and other questions are answered by walking through the log in steps.
CREATE INDEX audit_by_subject ON audit (subject);

-- What all the above is proven with; see `books.rs`.
CREATE TABLE books (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    content  BLOB NOT NULL,
    mac      BLOB NOT NULL
) STRICT;

-- What the readiness probe writes.
CREATE TABLE probe (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    count    INTEGER NOT NULL
) STRICT;

INSERT INTO probe (only_row, count) VALUES (1, 0);
