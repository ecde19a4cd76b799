/* store_verify finds every kind of disagreement: each row changes the database behind the store's
 * back, with the sqlite3 shell. */
#include "store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>

typedef struct Row {
    char sql[160], found[48];
} Row;

ParameterizedTestParameters(verify, finds_what_disagrees) {
    static Row rows[] = {
        { "UPDATE content SET bytes = CAST(replace(bytes, 'one', 'two') AS BLOB)", "version" },
        { "DELETE FROM passage WHERE id = 2", "passages" },
        { "UPDATE passage SET end_byte = 10000 WHERE id = 1", "of a text of" },
        { "UPDATE passage SET n_words = 99 WHERE id = 1", "99 words" },
        { "UPDATE passage SET document = 2 WHERE id = 1", "belongs to" },
        { "UPDATE passage SET end_byte = end_byte - 3 WHERE id = 1", "words" },
        { "DELETE FROM vector WHERE rowid IN (SELECT id FROM vector LIMIT 1)", "vectors" },
        { "INSERT INTO vector VALUES ((1 << 40) + 4711, x'00')", "4711" },
        { "UPDATE collection SET n_documents = 7", "collections" },
        { "INSERT INTO content VALUES (99 << 22, x'00')", "content" },
        { "DELETE FROM content WHERE id = 1 << 22", "content" },
        { "UPDATE meta SET value = 1 WHERE name = 'next_passage'", "next id" },
        { "UPDATE meta SET value = 'x' WHERE name = 'generation'", "generation" },
        { "DELETE FROM lexical_docsize WHERE id = 1", "lexical" },
        { "DELETE FROM lexical_data WHERE id > 10", "" },
        { "UPDATE document SET title = 'Other' WHERE id = 1", "" },
        { "DELETE FROM document WHERE id = 1", "" },
        { "UPDATE document SET n_text = n_text + 1 WHERE id = 1", "missing" },
        { "UPDATE embedder SET n_vectors = 9", "embedder" },
    };
    return cr_make_param_array(Row, rows, N_ELEMENTS(rows));
}

static void fill(Store *store, Err *err) {
    int64_t embedder = 0;
    cr_assert_eq(store_begin(store, err), STATUS_OK);
    cr_assert_eq(store_embedder(store, "e", 2, &embedder, err), STATUS_OK);
    const FixtureDocument docs[] = { { .key = "a", .title = "Tit", .text = "one one\n\nother" },
                                     { .key = "b", .title = "U", .text = "third text here" } };
    for (size_t i = 0; i < N_ELEMENTS(docs); i++) {
        StorePut put;
        cr_assert_eq(fixture_put(store, &docs[i], embedder, "12345678", &put, NULL, err),
                     STATUS_OK);
    }
    cr_assert_eq(store_commit(store, err), STATUS_OK);
    cr_assert_eq(store_verify(store, err), STATUS_OK, "%s", err->text);
}

ParameterizedTest(Row *row, verify, finds_what_disagrees) {
    Err err = { 0 };
    Store *store;
    cr_assert(mkdtemp(fixture_folder));
    cr_assert_eq(store_open(fixture_folder, STORE_WRITE, &fixture_options, &store, &err),
                 STATUS_OK);
    fill(store, &err);
    store = store_close(store);
    char command[512];
    snprintf(command, sizeof command, "sqlite3 %s/fonte.db \"%s\"", fixture_folder, row->sql);
    cr_assert_eq(system(command), 0);
    Status status = store_open(fixture_folder, STORE_READ, &fixture_options, &store, &err);
    if (status == STATUS_OK) {
        status = store_verify(store, &err);
        store = store_close(store);
    }
    cr_assert_eq(status, STATUS_DAMAGED, "%s: %d", row->sql, status);
    cr_assert(strstr(err.text, row->found), "%s", err.text);
    fixture_drop();
}
