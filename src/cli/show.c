#include "cli/show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void query_options(QueryOptions *query, const char *modes, Option ret[N_QUERY_OPTIONS]) {
    const Option options[N_QUERY_OPTIONS] = {
        { 'c', "collection", OPTION_TEXT, &query->collection, "NAME", "In this collection" },
        { 'k', "passages", OPTION_COUNT, &query->k, "N", "Passages to find (default: 8)", 1, 1000 },
        { 'l', "lang", OPTION_TEXT, &query->language, "CODE",
          "Only documents in it (it, en, ...)" },
        { 0, "from", OPTION_TEXT, &query->from, "DATE",
          "Only from this date (2023, 2023-07, ...)" },
        { 0, "to", OPTION_TEXT, &query->to, "DATE", "Only to the end of this date" },
        { 0, "source", OPTION_TEXT, &query->source, "TEXT", "Only of this publisher" },
        { 'm', "mode", OPTION_CHOICE, &query->mode, modes, "How" },
    };
    memcpy(ret, options, sizeof options);
}

static void add_text(cJSON *object, const char *key, const char *text) {
    if (text && *text) cJSON_AddStringToObject(object, key, text);
}

cJSON *query_body(const QueryOptions *query, const char *key, const char *text) {
    cJSON *body = cJSON_CreateObject();
    if (!body || !cJSON_AddStringToObject(body, key, text)) {
        cJSON_Delete(body);
        return NULL;
    }
    add_text(body, "collection", query->collection);
    add_text(body, "mode", query->mode);
    if (query->k) cJSON_AddNumberToObject(body, "k", (double)query->k);
    cJSON *filters = cJSON_CreateObject();
    add_text(filters, "language", query->language);
    add_text(filters, "source", query->source);
    add_text(filters, "date_from", query->from);
    add_text(filters, "date_to", query->to);
    if (cJSON_GetArraySize(filters) > 0)
        cJSON_AddItemToObject(body, "filters", filters);
    else
        cJSON_Delete(filters);
    return body;
}

char *query_text(int n, char **words) {
    char *text = NULL;
    size_t n_text;
    FILE *file = open_memstream(&text, &n_text);
    if (!file) return NULL;
    if (n == 1 && strcmp(words[0], "-") == 0) {
        char bytes[4096];
        ssize_t r;
        /* A question over 1 MiB is not one; the daemon's own limit is far below. */
        for (size_t sum = 0; sum < 1 << 20; sum += (size_t)r) {
            r = read(STDIN_FILENO, bytes, sizeof bytes);
            if (r < 0 && errno == EINTR)
                r = 0;
            else if (r <= 0)
                break;
            fwrite(bytes, 1, (size_t)r, file);
        }
    } else {
        for (int i = 0; i < n; i++) fprintf(file, "%s%s", i ? " " : "", words[i]);
    }
    if (fclose(file) != 0) {
        free(text);
        return NULL;
    }
    while (n_text && strchr(" \t\r\n", text[n_text - 1])) text[--n_text] = 0;
    return text;
}

static void show_part(Term *term, Style style, const char *text) {
    if (!*text) return;
    fputs(", ", term->file);
    term_styled(term, style, text);
}

void show_source(Term *term, const char *mark, const cJSON *item) {
    const char *title = json_text(item, "title"), *url = json_text(item, "url");
    char place[80];
    term_styled(term, STYLE_NUMBER, mark);
    fputc(' ', term->file);
    term_styled(term, STYLE_TITLE, *title ? title : "(no title)");
    show_part(term, STYLE_DIM, json_text(item, "source"));
    show_part(term, STYLE_DIM, json_text(item, "date"));
    fprintf(term->file, "\n    ");
    if (*url) {
        term_link(term, url);
        fputs("\n    ", term->file);
    }
    snprintf(place, sizeof place, "%.40s bytes %.0f-%.0f", json_text(item, "document"),
             json_number(item, "start"), json_number(item, "end"));
    term_styled(term, STYLE_DIM, place);
    fputc('\n', term->file);
}

void show_passages(Term *term, const cJSON *passages, size_t n_max, const Highlight *highlight) {
    const cJSON *passage;
    size_t n = 0;
    cJSON_ArrayForEach(passage, passages) {
        char mark[24];
        if (n++ == n_max) break;
        snprintf(mark, sizeof mark, "%2zu.", n);
        show_source(term, mark, passage);
        const char *text = json_text(passage, "text");
        term_paragraph(term, text, strlen(text), 4, term->color ? highlight_match : NULL,
                       highlight);
        fputc('\n', term->file);
    }
}

void show_citations(Term *term, const cJSON *citations) {
    const cJSON *citation;
    double last = 0;
    if (cJSON_GetArraySize(citations) > 0) {
        fputc('\n', term->file);
        term_styled(term, STYLE_BOLD, "Sources");
        fputc('\n', term->file);
    }
    cJSON_ArrayForEach(citation, citations) {
        char mark[24];
        double n = json_number(citation, "n");
        if (n == last) continue; /* several sentences of one source */
        last = n;
        snprintf(mark, sizeof mark, "[%.0f]", n);
        show_source(term, mark, citation);
    }
}

static const char *reason_in_words(const char *reason) {
    static const char *const words[][2] = {
        { "no_documents", "there are no documents to answer from" },
        { "nothing_found", "nothing in the documents bears on the question" },
        { "weak_support", "what was found does not support an answer" },
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(reason, words[i][0]) == 0) return words[i][1];
    return *reason ? reason : "the documents do not hold the answer";
}

void show_abstention(Term *term, const cJSON *answer, const Highlight *highlight) {
    const cJSON *passages = json_get(answer, "passages");
    term_style(term, STYLE_BOLD);
    fputs("No answer: ", term->file);
    term_line(term, reason_in_words(json_text(answer, "reason")));
    term_plain(term);
    fputs(".\n", term->file);
    if (cJSON_GetArraySize(passages) == 0) return;
    fputs("\nThe nearest passages:\n\n", term->file);
    show_passages(term, passages, 3, highlight);
}
