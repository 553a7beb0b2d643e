-- Channels get settings, and some a durable history.

-- Made anew, because the state has to stay the last column. A channel of the first schema had what these numbers say, and `books.rs` counts
-- on them: its term is the one that it had then.
-- The bits of `flags` are those of `columns.rs`; `run` counts how often a durable history was begun.
CREATE TABLE channels_with_settings (
    sequence            INTEGER PRIMARY KEY,
    project             INTEGER NOT NULL REFERENCES projects (id),
    id                  TEXT NOT NULL,
    kind                TEXT NOT NULL,
    capabilities        INTEGER NOT NULL,
    version             INTEGER NOT NULL,
    created_at          INTEGER NOT NULL,
    history_size        INTEGER NOT NULL,
    history_ttl_ms      INTEGER NOT NULL,
    flags               INTEGER NOT NULL,
    conflate_per_second INTEGER NOT NULL,
    run                 INTEGER NOT NULL,
    state               TEXT NOT NULL,
    UNIQUE (project, id)
) STRICT;

INSERT INTO channels_with_settings
    SELECT sequence, project, id, kind, capabilities, version, created_at, 256, 120000, 4, 0, 0, state FROM channels;

DROP TABLE channels;

ALTER TABLE channels_with_settings RENAME TO channels;

-- Apart from the channels, so that a message does not rewrite the row with the state. A run that its channel is not in any more is
-- waiting to be pruned. `due_at` is when there may be something to prune, if ever.
CREATE TABLE histories (
    channel     INTEGER NOT NULL,
    run         INTEGER NOT NULL,
    last_offset INTEGER NOT NULL,
    due_at      INTEGER,
    PRIMARY KEY (channel, run)
) STRICT, WITHOUT ROWID;

CREATE INDEX histories_by_due ON histories (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE messages (
    channel    INTEGER NOT NULL,
    run        INTEGER NOT NULL,
    offset     INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    token      INTEGER,
    user       TEXT,
    connection INTEGER,
    id         TEXT,
    event      TEXT NOT NULL,
    data       TEXT NOT NULL,
    PRIMARY KEY (channel, run, offset)
) STRICT, WITHOUT ROWID;

-- What messages that were published under an id of their publisher's came to, for two minutes, also when they are not kept.
CREATE TABLE onces (
    channel INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    once    BLOB NOT NULL,
    offset  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (channel, run, once)
) STRICT, WITHOUT ROWID;

CREATE INDEX onces_by_at ON onces (at);
