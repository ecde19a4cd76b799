#pragma once
/* An index of three small documents in a folder of the test's own. */
#include "answer/answer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct Fixture {
    char folder[64];
    Index *index;
} Fixture;

static inline void fixture_add(Fixture *f, const char *url, const char *title, const char *text,
                               const char *language) {
    FonteAddedList *added = NULL;
    Err err = { 0 };
    IndexInput input = { .bytes = slice_of(text),
                         .url = url,
                         .title = title,
                         .mime = "text/plain",
                         .language = language };
    cr_assert_eq(index_add(f->index, &input, &added, &err), STATUS_OK, "%s", err.text);
    index_added_free(added);
}

static inline void fixture_init(Fixture *f) {
    snprintf(f->folder, sizeof f->folder, "/tmp/fonte-test-answer-XXXXXX");
    cr_assert(mkdtemp(f->folder));
    Err err = { 0 };
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    cr_assert_eq(index_open(f->folder, &options, NULL, NULL, &f->index, &err), STATUS_OK, "%s",
                 err.text);
    fixture_add(f, "test:bridge", "The bridge of Calatrava",
                "The bridge over the Grand Canal was opened on 11 September 2008. It was designed "
                "by the architect Santiago Calatrava.\nIts glass steps have been\ncriticised as "
                "slippery. The city spent 11.6 million euro on it.",
                "en");
    fixture_add(
        f, "test:garante", "Il Garante e ChatGPT",
        "Il Garante ha ordinato a OpenAI di sospendere il trattamento dei dati degli utenti "
        "italiani il 30 marzo 2023. Il servizio è tornato disponibile il 28 aprile 2023.",
        "it");
    fixture_add(f, "test:garante-en", "The Garante and ChatGPT",
                "The Garante ordered OpenAI to suspend the processing of Italian users' data on 30 "
                "March 2023. The service came back on 28 April 2023.",
                "en");
}

static inline void fixture_deinit(Fixture *f) {
    f->index = index_close(f->index);
    char command[128];
    snprintf(command, sizeof command, "rm -rf -- %s", f->folder);
    cr_assert_eq(system(command), 0);
}

static inline FonteAnswer *fixture_ask(Fixture *f, const char *question,
                                       const AnswerEvents *events) {
    AnswerRequest request = { .query = { .text = question } };
    AnswerOptions options = ANSWER_OPTIONS_DEFAULT;
    FonteAnswer *answer = NULL;
    Err err = { 0 };
    cr_assert_eq(answer_ask(f->index, &request, &options, events, &answer, &err), STATUS_OK, "%s",
                 err.text);
    return answer;
}
