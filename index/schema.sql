-- The schema as it is after all migrations (PRAGMA user_version = 2), for reading. It is never run:
-- databases are made by migrations/, and a test compares the two. FORMAT.md says what it all means.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE collection (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    n_documents INTEGER NOT NULL,
    n_passages INTEGER NOT NULL
) STRICT;

CREATE TABLE document (
    id INTEGER PRIMARY KEY,
    public_id TEXT NOT NULL,
    collection INTEGER NOT NULL REFERENCES collection (id),
    key TEXT NOT NULL,
    version BLOB NOT NULL CHECK (length(version) = 32),
    title TEXT NOT NULL,
    url TEXT NOT NULL,
    date TEXT NOT NULL,
    language TEXT NOT NULL,
    source TEXT NOT NULL,
    format TEXT NOT NULL,
    n_text INTEGER NOT NULL,
    n_origin INTEGER NOT NULL,
    n_map INTEGER NOT NULL,
    first_passage INTEGER NOT NULL,
    n_passages INTEGER NOT NULL,
    added_unix_s INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX document_public_id ON document (public_id, collection);
CREATE INDEX document_version ON document (substr(version, 1, 8));

CREATE TABLE content (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE passage (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL,
    start_byte INTEGER NOT NULL,
    end_byte INTEGER NOT NULL,
    n_words INTEGER NOT NULL,
    heading TEXT NOT NULL
) STRICT;

CREATE TABLE embedder (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    dim INTEGER NOT NULL,
    n_vectors INTEGER NOT NULL
) STRICT;

CREATE TABLE vector (
    id INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE removed (
    generation INTEGER NOT NULL,
    first_passage INTEGER NOT NULL,
    n_passages INTEGER NOT NULL,
    PRIMARY KEY (generation, first_passage)
) STRICT, WITHOUT ROWID;

CREATE VIRTUAL TABLE lexical USING fts5 (
    f1, f2, f3, f4, f5, f6, f7, f8, f9, f10, f11, f12, f13, f14, f15, f16,
    content = '', detail = column, tokenize = 'fonte'
);

CREATE TABLE answer (
    id INTEGER PRIMARY KEY,
    public_id TEXT NOT NULL UNIQUE,
    uid INTEGER NOT NULL,
    collection TEXT NOT NULL,
    made_unix_s INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
CREATE INDEX answer_made ON answer (made_unix_s);
