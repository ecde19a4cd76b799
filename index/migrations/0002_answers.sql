-- What answers were made of.

CREATE TABLE answer (
    id INTEGER PRIMARY KEY,
    public_id TEXT NOT NULL UNIQUE,
    uid INTEGER NOT NULL,
    collection TEXT NOT NULL,
    made_unix_s INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX answer_made ON answer (made_unix_s);
