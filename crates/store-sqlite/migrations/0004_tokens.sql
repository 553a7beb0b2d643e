-- Tokens' rows in a table of their own, by number alone. Numbers grow with time, so a new one comes to the end of the table, where SQLite begins a page of its own
-- for it; in the table of all kinds it came to the end of its kind, in the middle, where three pages are shared out anew every few times.
CREATE TABLE IF NOT EXISTS tokens (
    id       INTEGER PRIMARY KEY,
    project  INTEGER NOT NULL REFERENCES projects (id),
    revision INTEGER NOT NULL,
    sealed   BLOB NOT NULL
) STRICT;

INSERT INTO tokens SELECT id, project, revision, sealed FROM rows WHERE kind = 23 ORDER BY id;

DELETE FROM rows WHERE kind = 23;
