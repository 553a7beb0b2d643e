-- The records of the first release. Ids are unsigned 64-bit numbers kept as the signed number with the same bits; times are
-- milliseconds since 1970. Secrets are sealed or hashed before they come here.

CREATE TABLE vault (
    only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
    key_check BLOB NOT NULL
) STRICT;

CREATE TABLE ring_keys (
    number     INTEGER PRIMARY KEY,
    wrapped    BLOB NOT NULL,
    active     INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    id               INTEGER PRIMARY KEY,
    name             TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    wrapped_data_key BLOB NOT NULL
) STRICT;

CREATE TABLE project_keys (
    id           INTEGER PRIMARY KEY,
    project      INTEGER NOT NULL REFERENCES projects (id),
    hash         BLOB NOT NULL,
    hint         TEXT NOT NULL,
    permissions  INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;

-- AUTOINCREMENT: a sequence is never given out twice, not even after the channel with the highest one was deleted.
-- The state comes last, so that reading the other columns does not walk through it.
CREATE TABLE channels (
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    project      INTEGER NOT NULL REFERENCES projects (id),
    id           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    capabilities INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    state        TEXT NOT NULL,
    UNIQUE (project, id)
) STRICT;

CREATE TABLE tokens (
    id           INTEGER PRIMARY KEY,
    project      INTEGER NOT NULL REFERENCES projects (id),
    generation   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    sealed_state BLOB
) STRICT;

-- Token and channel are of one project: the writer looks both up within it before it inserts.
CREATE TABLE subscriptions (
    token     INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    channel   INTEGER NOT NULL REFERENCES channels (sequence) ON DELETE CASCADE,
    ephemeral INTEGER NOT NULL,
    PRIMARY KEY (token, channel)
) STRICT, WITHOUT ROWID;

CREATE INDEX subscriptions_by_channel ON subscriptions (channel);

-- What the readiness probe writes.
CREATE TABLE probe (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    count    INTEGER NOT NULL
) STRICT;

INSERT INTO probe (only_row, count) VALUES (1, 0);
