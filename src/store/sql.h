#pragma once
/* Every statement of the room, by name: prepared once a connection and kept.
 * Row ids of `content`: document * 2^22 + part * 2^20 + chunk; of `vector`: embedder * 2^40 +
 * passage (index/FORMAT.md). */
#define SQL_DOCUMENT_COLUMNS                                                                       \
    "d.id, d.public_id, d.version, c.name, d.title, d.url, d.date, d.language, d.source,"          \
    " d.format, d.n_text, d.n_origin, d.n_map, d.first_passage, d.n_passages, d.added_unix_s,"     \
    " d.collection, d.key "
#define SQL_DOCUMENT_FROM "FROM document d JOIN collection c ON c.id = d.collection "
#define SQL_FTS_COLUMNS "f1,f2,f3,f4,f5,f6,f7,f8,f9,f10,f11,f12,f13,f14,f15,f16"
#define SQL_FTS_VALUES "?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17"

#define STORE_SQL_TABLE(X)                                                                         \
    X(BEGIN_READ, "BEGIN")                                                                         \
    X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                                              \
    X(COMMIT, "COMMIT")                                                                            \
    X(ROLLBACK, "ROLLBACK")                                                                        \
    X(META_GET, "SELECT value FROM meta WHERE name = ?1")                                          \
    X(META_SET, "INSERT INTO meta VALUES (?1, ?2)"                                                 \
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value")                        \
    X(COLLECTION_BY_NAME, "SELECT id FROM collection WHERE name = ?1")                             \
    X(COLLECTION_ADD, "INSERT INTO collection (name, n_documents, n_passages) VALUES (?1, 0, 0)")  \
    X(COLLECTION_COUNT, "UPDATE collection SET n_documents = n_documents + ?2,"                    \
                        " n_passages = n_passages + ?3 WHERE id = ?1")                             \
    X(COLLECTION_DROP_EMPTY, "DELETE FROM collection WHERE id = ?1 AND n_documents = 0")           \
    X(COLLECTIONS, "SELECT name, n_documents, n_passages FROM collection ORDER BY name")           \
    X(COLLECTION_IDS, "SELECT id, name FROM collection")                                           \
    X(DOCUMENT_BY_PUBLIC_ID,                                                                       \
      "SELECT " SQL_DOCUMENT_COLUMNS SQL_DOCUMENT_FROM "WHERE d.public_id = ?1")                   \
    X(DOCUMENT_BY_ID, "SELECT " SQL_DOCUMENT_COLUMNS SQL_DOCUMENT_FROM "WHERE d.id = ?1")          \
    X(DOCUMENT_BY_VERSION, "SELECT public_id FROM document WHERE substr(version, 1, 8) ="          \
                           " substr(?1, 1, 8) AND version = ?1 AND collection = ?2 LIMIT 1")       \
    X(DOCUMENT_ADD, "INSERT INTO document (id, public_id, collection, key, version, title, url,"   \
                    " date, language, source, format, n_text, n_origin, n_map, first_passage,"     \
                    " n_passages, added_unix_s) VALUES"                                            \
                    " (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)")               \
    X(DOCUMENT_DELETE, "DELETE FROM document WHERE id = ?1")                                       \
    X(DOCUMENTS, "SELECT " SQL_DOCUMENT_COLUMNS SQL_DOCUMENT_FROM                                  \
                 "WHERE d.public_id > ?1 AND (?2 = '' OR c.name = ?2)"                             \
                 " ORDER BY d.public_id LIMIT ?3")                                                 \
    X(DOCUMENTS_ALL, "SELECT " SQL_DOCUMENT_COLUMNS SQL_DOCUMENT_FROM "ORDER BY d.id")             \
    X(DOCUMENTS_AFTER, "SELECT id, first_passage, n_passages, collection, language, source, date"  \
                       " FROM document WHERE id > ?1 ORDER BY id")                                 \
    X(CONTENT_ADD, "INSERT INTO content VALUES (?1, ?2)")                                          \
    X(CONTENT_GET, "SELECT bytes FROM content WHERE id = ?1")                                      \
    X(CONTENT_SLICE, "SELECT substr(bytes, ?2, ?3) FROM content WHERE id = ?1")                    \
    X(CONTENT_DELETE, "DELETE FROM content WHERE id >= ?1 AND id < ?2")                            \
    X(PASSAGE_ADD, "INSERT INTO passage VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                          \
    X(PASSAGE_GET, "SELECT document, start_byte, end_byte, heading FROM passage WHERE id = ?1")    \
    X(PASSAGES_OF, "SELECT id, start_byte, end_byte, heading, n_words, document FROM passage"      \
                   " WHERE id >= ?1 AND id < ?2 ORDER BY id")                                      \
    X(PASSAGE_SET_WORDS, "UPDATE passage SET n_words = ?2 WHERE id = ?1")                          \
    X(PASSAGE_DELETE, "DELETE FROM passage WHERE id >= ?1 AND id < ?2")                            \
    X(PASSAGES_AFTER, "SELECT id, document, n_words FROM passage WHERE id > ?1 ORDER BY id")       \
    X(REMOVED_ADD, "INSERT INTO removed VALUES (?1, ?2, ?3)")                                      \
    X(REMOVED_TRIM, "DELETE FROM removed WHERE generation < ?1")                                   \
    X(REMOVED_AFTER, "SELECT first_passage, n_passages FROM removed WHERE generation > ?1")        \
    X(FTS_ADD, "INSERT INTO lexical (rowid," SQL_FTS_COLUMNS ") VALUES (?1," SQL_FTS_VALUES ")")   \
    X(FTS_DELETE, "INSERT INTO lexical (lexical, rowid," SQL_FTS_COLUMNS                           \
                  ") VALUES ('delete', ?1," SQL_FTS_VALUES ")")                                    \
    X(FTS_CLEAR, "INSERT INTO lexical (lexical) VALUES ('delete-all')")                            \
    X(FTS_CHECK, "INSERT INTO lexical (lexical) VALUES ('integrity-check')")                       \
    X(FTS_ALL, "SELECT fonte_collect(lexical) FROM lexical WHERE lexical MATCH ?1 LIMIT 1")        \
    X(FTS_AFTER, "SELECT rowid, fonte_tf(lexical) FROM lexical"                                    \
                 " WHERE lexical MATCH ?1 AND rowid > ?2")                                         \
    X(EMBEDDER_BY_NAME, "SELECT id, dim FROM embedder WHERE name = ?1")                            \
    X(EMBEDDER_BY_ID, "SELECT name, n_vectors FROM embedder WHERE id = ?1")                        \
    X(EMBEDDER_ADD, "INSERT INTO embedder (name, dim, n_vectors) VALUES (?1, ?2, 0)")              \
    X(EMBEDDER_COUNT, "UPDATE embedder SET n_vectors = n_vectors + ?2 WHERE id = ?1")              \
    X(EMBEDDER_DELETE, "DELETE FROM embedder WHERE id = ?1")                                       \
    X(EMBEDDER_IDS, "SELECT id, n_vectors FROM embedder ORDER BY id")                              \
    X(VECTOR_ADD, "INSERT INTO vector VALUES (?1, ?2)"                                             \
                  " ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes")                        \
    X(VECTOR_HAS, "SELECT 1 FROM vector WHERE id = ?1")                                            \
    X(VECTOR_DELETE, "DELETE FROM vector WHERE id >= ?1 AND id < ?2")                              \
    X(VECTOR_DELETE_SOME, "DELETE FROM vector WHERE id IN"                                         \
                          " (SELECT id FROM vector WHERE id >= ?1 AND id < ?2 LIMIT ?3)")          \
    X(VECTORS, "SELECT id, bytes FROM vector WHERE id > ?1 AND id < ?2 ORDER BY id")               \
    X(VECTOR_IDS, "SELECT id FROM vector WHERE id >= ?1 AND id < ?2 ORDER BY id")                  \
    X(UNEMBEDDED, "SELECT p.id, p.start_byte, p.end_byte, p.heading, p.document FROM passage p"    \
                  " WHERE p.id > ?1 AND NOT EXISTS"                                                \
                  " (SELECT 1 FROM vector v WHERE v.id = ?2 + p.id) ORDER BY p.id LIMIT ?3")       \
    X(COUNT_COLLECTIONS, "SELECT coalesce(sum(n_documents), 0), coalesce(sum(n_passages), 0)"      \
                         " FROM collection")                                                       \
    X(COUNT_DOCUMENTS, "SELECT count(*) FROM document")                                            \
    X(COUNT_PASSAGES, "SELECT count(*) FROM passage")                                              \
    X(COUNT_CONTENT, "SELECT count(*) FROM content")                                               \
    X(COUNT_LEXICAL, "SELECT count(*) FROM lexical_docsize")                                       \
    X(COUNT_VECTORS, "SELECT count(*) FROM vector")                                                \
    X(ANSWER_ADD, "INSERT INTO answer (public_id, uid, collection, made_unix_s, record)"           \
                  " VALUES (?1, ?2, ?3, ?4, ?5)")                                                  \
    X(ANSWER, "SELECT uid, collection, made_unix_s, record FROM answer WHERE public_id = ?1")      \
    X(ANSWERS_TRIM_COUNT, "DELETE FROM answer WHERE id <= (SELECT max(id) FROM answer) - ?1")      \
    X(ANSWERS_TRIM_TIME, "DELETE FROM answer WHERE made_unix_s < ?1")                              \
    X(PASSAGE_AT, "SELECT p.id FROM document d JOIN passage p ON p.id >= d.first_passage"          \
                  " AND p.id < d.first_passage + d.n_passages"                                     \
                  " WHERE d.public_id = ?1 AND p.start_byte = ?2")                                 \
    X(FILE_PAGES, "SELECT page_count FROM pragma_page_count()")

typedef enum StoreSql {
#define STORE_SQL_ENUM(name, text) SQL_##name,
    STORE_SQL_TABLE(STORE_SQL_ENUM)
#undef STORE_SQL_ENUM
        STORE_N_SQL
} StoreSql;
