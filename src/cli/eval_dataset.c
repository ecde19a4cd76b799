/* Lines of JSON, compressed or not: zlib's gzopen reads both. Errors name file and line. */
#include "cli/eval_dataset.h"

#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PATH_BYTES = 4096, FILE_MAX_BYTES = 64 << 20 };

__attribute__((format(printf, 3, 4))) static FonteStatus fail(FonteError *error, FonteStatus status,
                                                              const char *format, ...) {
    va_list args;
    va_start(args, format);
    *error = (FonteError){ .status = status };
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return status;
}

/* The whole file, unpacked, NUL-terminated; NULL with error filled. */
static char *read_whole(const char *path, FonteError *error) {
    gzFile file = gzopen(path, "rb");
    if (!file) {
        fail(error, FONTE_NOT_FOUND, "%s: cannot be opened", path);
        return NULL;
    }
    char *text = NULL;
    size_t n = 0, capacity = 0;
    for (;;) {
        if (n + 65537 > capacity) {
            capacity = capacity ? capacity * 2 : 1 << 20;
            char *grown = capacity > FILE_MAX_BYTES * 4u ? NULL : realloc(text, capacity);
            if (!grown) {
                fail(error, FONTE_TOO_LARGE, "%s: too large", path);
                break;
            }
            text = grown;
        }
        int got = gzread(file, text + n, 65536);
        if (got < 0) fail(error, FONTE_DAMAGED, "%s: damaged after %zu bytes", path, n);
        if (got < 0) break;
        if (got == 0) {
            text[n] = '\0';
            /* Only closing tells of a stream that was cut off. */
            if (gzclose(file) == Z_OK) return text;
            fail(error, FONTE_DAMAGED, "%s: cut off after %zu bytes", path, n);
            free(text);
            return NULL;
        }
        n += (size_t)got;
    }
    free(text);
    gzclose(file);
    return NULL;
}

static char *string_of(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return strdup(cJSON_IsString(item) ? item->valuestring : "");
}

typedef FonteStatus TakeLine(EvalDataset *dataset, const cJSON *line, const char *folder,
                             FonteError *error);

static void *grow(void *array, size_t n, size_t size) {
    if (n & (n - 1)) return array; /* doubles at powers of two */
    return realloc(array, (n ? n * 2 : 1) * size);
}

static FonteStatus take_passage(EvalDataset *d, const cJSON *line, const char *folder,
                                FonteError *error) {
    (void)folder;
    EvalPassage *grown = grow(d->passages, d->n_passages, sizeof *grown);
    if (!grown) return fail(error, FONTE_NO_MEMORY, "out of memory");
    d->passages = grown;
    d->passages[d->n_passages++] =
        (EvalPassage){ string_of(line, "id"), string_of(line, "lang"), string_of(line, "title"),
                       string_of(line, "text") };
    return FONTE_OK;
}

static FonteStatus take_answers(EvalQuestion *q, const cJSON *line, FonteError *error) {
    const cJSON *answers = cJSON_GetObjectItemCaseSensitive(line, "answers"), *a;
    q->answers = calloc((size_t)cJSON_GetArraySize(answers) + 1, sizeof *q->answers);
    if (!q->answers) return fail(error, FONTE_NO_MEMORY, "out of memory");
    cJSON_ArrayForEach(a, answers) {
        q->answers[q->n_answers++] = cJSON_IsObject(a)
                                         ? string_of(a, "text")
                                         : strdup(cJSON_IsString(a) ? a->valuestring : "");
    }
    return FONTE_OK;
}

static FonteStatus take_question(EvalDataset *d, const cJSON *line, const char *folder,
                                 FonteError *error) {
    (void)folder;
    EvalQuestion *grown = grow(d->questions, d->n_questions, sizeof *grown);
    if (!grown) return fail(error, FONTE_NO_MEMORY, "out of memory");
    d->questions = grown;
    EvalQuestion *q = &d->questions[d->n_questions++];
    *q = (EvalQuestion){ .id = string_of(line, "id"),
                         .language = string_of(line, "lang"),
                         .text = string_of(line, "question"),
                         .gold = string_of(line, d->are_files ? "document" : "passage_id") };
    return take_answers(q, line, error);
}

static FonteStatus each_line(EvalDataset *d, const char *folder, const char *path, TakeLine *take,
                             FonteError *error) {
    char *text = read_whole(path, error);
    if (!text) return error->status;
    FonteStatus status = FONTE_OK;
    size_t n = 0;
    for (char *s = text, *next; s && !status; s = next) {
        next = strchr(s, '\n');
        if (next) *next++ = '\0';
        n++;
        if (!s[strspn(s, " \t\r")]) continue; /* an empty line is no mistake, but counts */
        cJSON *line = cJSON_Parse(s);
        if (!cJSON_IsObject(line)) {
            status = fail(error, FONTE_INVALID, "%s: line %zu is no JSON object", path, n);
        } else {
            status = take(d, line, folder, error);
        }
        cJSON_Delete(line);
    }
    free(text);
    return status;
}

static bool has_passage(const EvalDataset *d, const char *id) {
    for (size_t i = 0; i < d->n_passages; i++) {
        if (strcmp(d->passages[i].id, id) == 0) return true;
    }
    return false;
}

/* The documents that the questions name, each once. */
static FonteStatus load_documents(EvalDataset *d, const char *folder, FonteError *error) {
    for (size_t i = 0; i < d->n_questions; i++) {
        const char *id = d->questions[i].gold;
        if (!*id || has_passage(d, id)) continue;
        if (strstr(id, "..") || *id == '/') {
            return fail(error, FONTE_INVALID, "question %s: document %s", d->questions[i].id, id);
        }
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", folder, id);
        char *text = read_whole(path, error);
        EvalPassage *grown = text ? grow(d->passages, d->n_passages, sizeof *grown) : NULL;
        if (!grown) {
            free(text);
            return error->status ? error->status : fail(error, FONTE_NO_MEMORY, "out of memory");
        }
        d->passages = grown;
        d->passages[d->n_passages++] = (EvalPassage){ strdup(id), strdup(""), strdup(""), text };
    }
    return FONTE_OK;
}

static const char *existing(const char *folder, const char *name, char path[PATH_BYTES]) {
    snprintf(path, PATH_BYTES, "%s/%s.gz", folder, name);
    if (access(path, R_OK) == 0) return path;
    snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return access(path, R_OK) == 0 ? path : NULL;
}

static FonteStatus load(const char *folder, EvalDataset *d, FonteError *error) {
    char passages[PATH_BYTES], questions[PATH_BYTES];
    if (!existing(folder, "questions.jsonl", questions)) {
        return fail(error, FONTE_NOT_FOUND, "%s: holds no questions.jsonl", folder);
    }
    d->are_files = !existing(folder, "passages.jsonl", passages);
    FonteStatus status = each_line(d, folder, questions, take_question, error);
    if (status) return status;
    return d->are_files ? load_documents(d, folder, error)
                        : each_line(d, folder, passages, take_passage, error);
}

FonteStatus eval_dataset_load(const char *folder, EvalDataset *ret, FonteError *error) {
    EvalDataset d = { 0 };
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') n--;
    size_t start = n;
    while (start > 0 && folder[start - 1] != '/') start--;
    d.name = strndup(folder + start, n - start);
    FonteStatus status = load(folder, &d, error);
    if (status)
        eval_dataset_deinit(&d);
    else
        *ret = d;
    return status;
}

void eval_dataset_deinit(EvalDataset *d) {
    for (size_t i = 0; i < d->n_passages; i++) {
        EvalPassage *p = &d->passages[i];
        free(p->id), free(p->language), free(p->title), free(p->text);
    }
    for (size_t i = 0; i < d->n_questions; i++) {
        EvalQuestion *q = &d->questions[i];
        for (size_t j = 0; j < q->n_answers; j++) free(q->answers[j]);
        free(q->id), free(q->language), free(q->text), free(q->gold), free(q->answers);
    }
    free(d->passages);
    free(d->questions);
    free(d->name);
    *d = (EvalDataset){ 0 };
}
