#pragma once
/* What the tests of the index share: a folder of the test's own, short ways to add and to ask.
 * Each test runs in a process of its own. */
#include "search/index.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

static char folder[64];

static inline void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/fonte-test-search-XXXXXX");
    cr_assert(mkdtemp(folder));
}

static inline void remove_folder(void) {
    DIR *dir = opendir(folder);
    cr_assert(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') unlink(path);
    }
    closedir(dir);
    rmdir(folder);
}

static inline Index *open_with(const IndexOptions *options) {
    Index *index = NULL;
    Err err = { 0 };
    Status status = index_open(folder, options, NULL, NULL, &index, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return index;
}

static inline Index *open_index(void) {
    return open_with(NULL);
}

static inline FonteAddedList *add_input(Index *index, const IndexInput *input) {
    FonteAddedList *added = NULL;
    Err err = { 0 };
    Status status = index_add(index, input, &added, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return added;
}

/* Add and forget; ret_id may be NULL. */
static inline void add(Index *index, const char *text, const char *url,
                       char ret_id[STORE_ID_BYTES]) {
    FonteAddedList *added =
        add_input(index, &(IndexInput){ .bytes = slice_of(text), .url = url, .name = "a.txt" });
    cr_assert_eq(added->n_added, 1);
    if (ret_id) snprintf(ret_id, STORE_ID_BYTES, "%s", added->added[0].id);
    index_added_free(added);
}

static inline FontePassages *search_query(Index *index, const FonteQuery *query) {
    FontePassages *passages = NULL;
    Err err = { 0 };
    Status status = index_search(index, query, NULL, NULL, &passages, &err);
    cr_assert_eq(status, STATUS_OK, "%s", err.text);
    return passages;
}

static inline FontePassages *search(Index *index, const char *question) {
    return search_query(index, &(FonteQuery){ .text = question });
}

static inline size_t count_found(Index *index, const FonteQuery *query) {
    FontePassages *passages = search_query(index, query);
    size_t n = passages->n_passages;
    index_passages_free(passages);
    return n;
}

static inline void verify(Index *index) {
    Err err = { 0 };
    cr_assert_eq(index_verify(index, &err), STATUS_OK, "%s", err.text);
}

static inline void settle(Index *index) {
    Err err = { 0 };
    Status status;
    while ((status = index_maintain(index, &err)) == STATUS_OK) {}
    cr_assert_eq(status, STATUS_UNCHANGED, "%s", err.text);
}

static inline IndexStatus status_of(Index *index) {
    IndexStatus status;
    Err err = { 0 };
    cr_assert_eq(index_status(index, &status, &err), STATUS_OK, "%s", err.text);
    return status;
}

/* Sentences of which each has its own number and few words in common with the others. */
static inline void numbered_text(size_t number, char ret[256]) {
    static const char *words[] = {
        "treaty", "harbour", "violin", "quarry",    "meadow",  "turbine",
        "senate", "glacier", "pepper", "cathedral", "lantern", "orchid"
    };
    snprintf(ret, 256, "The %s of region %zu lies beside the %s; its %s is number %zu.",
             words[number % 12], number * 31, words[(number / 12) % 12], words[(number / 5) % 12],
             number);
}

/* n <= 500 documents, in one commit. */
static inline void add_numbered(Index *index, size_t first, size_t n) {
    IndexPrepared *prepared[500];
    FonteAddedList *added[500];
    cr_assert_leq(n, N_ELEMENTS(prepared));
    for (size_t i = 0; i < n; i++) {
        char text[256], url[40];
        numbered_text(first + i, text);
        snprintf(url, sizeof url, "many-%zu", first + i);
        IndexInput input = { .bytes = slice_of(text), .url = url };
        cr_assert_eq(index_prepare(index, &input, &prepared[i], NULL), STATUS_OK);
    }
    Err err = { 0 };
    cr_assert_eq(index_commit(index, prepared, n, added, &err), STATUS_OK, "%s", err.text);
    for (size_t i = 0; i < n; i++) {
        index_prepared_free(prepared[i]);
        index_added_free(added[i]);
    }
}

static inline void add_many(Index *index, size_t n) {
    add_numbered(index, 0, n);
}

/* Vectors in memory are those of the texts: asked for its own text by vector, each is the first. */
static inline void check_numbered(Index *index, size_t first, size_t n, size_t step) {
    for (size_t number = first; number < first + n; number += step) {
        char text[256], url[40];
        numbered_text(number, text);
        snprintf(url, sizeof url, "many-%zu", number);
        FontePassages *found =
            search_query(index, &(FonteQuery){ .text = text, .mode = FONTE_VECTOR, .k = 1 });
        cr_assert_eq(found->n_passages, 1);
        cr_assert_str_eq(found->passages[0].url, url);
        cr_assert_gt(found->passages[0].vector_score, 0.97);
        index_passages_free(found);
    }
}

/* A path inside the folder, until the next call. */
static inline const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

#define WHALES "The blue whale is the largest animal that has ever lived. It eats krill."
#define BRIDGE "The Brooklyn Bridge was opened in 1883. It spans the East River in New York."
#define PASTA "La carbonara si prepara con uova, guanciale, pecorino e pepe nero."
