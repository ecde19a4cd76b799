#include "search_fixture.h"

TestSuite(search_answers, .init = make_folder, .fini = remove_folder);

static Err err;

/* A copy of what a record keeps of a passage. */
static FontePassage reference_to(const FontePassage *p, Arena *arena) {
    return (FontePassage){ .document = arena_string(arena, slice_of(p->document)),
                           .version = arena_string(arena, slice_of(p->version)),
                           .start = p->start,
                           .end = p->end,
                           .score = p->score,
                           .lexical_score = p->lexical_score,
                           .vector_score = p->vector_score };
}

Test(search_answers, passages_are_read_again_as_they_were_found) {
    Index *index = open_index();
    AUTO_ARENA Arena arena = ARENA_NULL;
    FontePassages *again = NULL;
    add(index, WHALES, "w", NULL);
    add(index, BRIDGE, "b", NULL);
    FontePassages *found = search(index, "When was the Brooklyn Bridge opened?");
    FontePassage wanted[2];
    cr_assert_eq(found->n_passages, 2);
    for (size_t i = 0; i < 2; i++) wanted[i] = reference_to(&found->passages[i], &arena);
    add(index, "Another bridge was opened.", "o", NULL);
    cr_assert_eq(index_passages_again(index, wanted, 2, "en", &again, &err), STATUS_OK, "%s",
                 err.text);
    cr_assert_eq(again->n_passages, 2);
    cr_assert_str_eq(again->language, "en");
    for (size_t i = 0; i < 2; i++) {
        const FontePassage *a = &found->passages[i], *b = &again->passages[i];
        cr_assert_str_eq(a->text, b->text);
        cr_assert_str_eq(a->title, b->title);
        cr_assert_str_eq(a->url, b->url);
        cr_assert_eq(a->score, b->score);
        cr_assert_eq(a->lexical_score, b->lexical_score);
        cr_assert_eq(a->vector_score, b->vector_score);
        cr_assert_eq(a->origin_end, b->origin_end);
    }
    index_passages_free(again);
    index_passages_free(found);
    index_close(index);
}

Test(search_answers, what_changed_or_is_gone_is_a_conflict_that_names_it) {
    Index *index = open_index();
    AUTO_ARENA Arena arena = ARENA_NULL;
    char id[STORE_ID_BYTES];
    FontePassages *again = NULL;
    add(index, BRIDGE, "b", id);
    FontePassages *found = search(index, "When was the Brooklyn Bridge opened?");
    FontePassage wanted = reference_to(&found->passages[0], &arena), other = wanted;
    other.end--;
    cr_assert_eq(index_passages_again(index, &other, 1, "en", &again, &err), STATUS_CONFLICT);
    other.end = wanted.end;
    other.start++;
    cr_assert_eq(index_passages_again(index, &other, 1, "en", &again, &err), STATUS_CONFLICT);
    add(index, BRIDGE " It is closed.", "b", NULL);
    cr_assert_eq(index_passages_again(index, &wanted, 1, "en", &again, &err), STATUS_CONFLICT);
    cr_assert(strstr(err.text, id), "%s", err.text);
    add(index, BRIDGE, "b", NULL);
    cr_assert_eq(index_passages_again(index, &wanted, 1, "en", &again, &err), STATUS_OK,
                 "the same bytes are the same version");
    index_passages_free(again);
    cr_assert_eq(index_remove(index, id, &err), STATUS_OK);
    cr_assert_eq(index_passages_again(index, &wanted, 1, "en", &again, &err), STATUS_CONFLICT);
    cr_assert_eq(index_passages_again(index, &wanted, 0, "en", &again, &err), STATUS_OK);
    cr_assert_eq(again->n_passages, 0);
    index_passages_free(again);
    index_passages_free(found);
    index_close(index);
}

Test(search_answers, records_are_put_in_groups_and_bounded) {
    Index *index = open_index();
    AUTO_ARENA Arena arena = ARENA_NULL;
    StoreAnswer answers[] = { { "a", 1, "default", 100, SLICE("{}") },
                              { "b", 1, "default", 101, SLICE("{}") },
                              { "c", 2, "default", 102, SLICE("{\"x\":1}") } };
    StoreAnswer found;
    cr_assert_eq(index_answers_put(index, answers, 3, 2, 0, &err), STATUS_OK, "%s", err.text);
    cr_assert_eq(index_answer(index, "a", &arena, &found, &err), STATUS_NOT_FOUND);
    cr_assert_eq(index_answer(index, "c", &arena, &found, &err), STATUS_OK);
    cr_assert_eq(found.uid, 2);
    cr_assert(slice_equal(found.record, SLICE("{\"x\":1}")));
    cr_assert_eq(index_answers_put(index, NULL, 0, 2, 102, &err), STATUS_OK);
    cr_assert_eq(index_answer(index, "b", &arena, &found, &err), STATUS_NOT_FOUND);
    cr_assert_eq(index_answers_put(index, &answers[2], 1, 2, 0, &err) == STATUS_OK, false,
                 "an id twice");
    cr_assert_eq(index_answer(index, "c", &arena, &found, &err), STATUS_OK);
    verify(index);
    index_close(index);
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    options.read_only = true;
    index = open_with(&options);
    cr_assert_eq(index_answer(index, "c", &arena, &found, &err), STATUS_OK);
    cr_assert_eq(index_answers_put(index, answers, 1, 2, 0, &err), STATUS_DENIED);
    index_close(index);
}
