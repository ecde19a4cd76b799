/* What the answerer sees of questions, for script/calibrate to fit weights on.
 * usage: answer_evidence FOLDER: makes an index in FOLDER, obeys lines of standard input, fields
 * set apart by tabs: P id language title text     add a passage      R id     remove it again Q id
 * language question       ask and writes for each question: "Q id", "T stem..." (of its terms), "C
 * ..." (confidence's evidence), for each sentence "S passage terms-as-hexadecimal evidence...
 * text", and "." last. The first lines are the names of the evidence. P is answered by "A url id",
 * R by nothing. */
#include "answer/sentence.h"

#include <stdio.h>
#include <stdlib.h>

enum { K_READ = 8, K_FIELD = 20, N_FIELDS = 5 };

static Index *collection;
static TextTerms *terms;

static void die(const Err *err) {
    fprintf(stderr, "answer_evidence: %s\n", err->text);
    exit(1);
}

static void add(char *const *field) {
    Err err = { 0 };
    FonteAddedList *added = NULL;
    IndexInput input = { .bytes = slice_of(field[4]),
                         .url = field[1],
                         .language = field[2],
                         .title = field[3],
                         .mime = "text/plain; charset=utf-8" };
    if (index_add(collection, &input, &added, &err) != STATUS_OK) die(&err);
    printf("A\t%s\t%s\n", field[1], added->added[0].id);
    index_added_free(added);
}

static void print_floats(const char *tag, const float *x, size_t n) {
    printf("%s", tag);
    for (size_t i = 0; i < n; i++) printf("\t%.5g", (double)x[i]);
}

static void print_sentence(const Sentence *s, const FontePassages *found) {
    const FontePassage *p = &found->passages[s->passage];
    printf("S\t%s\t%llx", p->url, (unsigned long long)s->terms);
    print_floats("", s->evidence, N_EVIDENCE);
    putchar('\t');
    for (size_t i = s->start; i < s->end; i++) {
        putchar(p->text[i] == '\t' || p->text[i] == '\n' ? ' ' : p->text[i]);
    }
    putchar('\n');
}

static void print_ranking(const Question *q, const Ranking *ranking, const FontePassages *found) {
    printf("T");
    for (size_t i = 0; i < q->n_terms; i++) printf("\t%s", q->terms[i].stem);
    print_floats("\nC", ranking->confidence_evidence, N_CONFIDENCE);
    putchar('\n');
    for (size_t i = 0; i < ranking->n; i++) print_sentence(&ranking->sentences[i], found);
}

static void ask(char *const *field) {
    Err err = { 0 };
    AUTO_ARENA Arena arena = ARENA_NULL;
    FonteQuery query = { .text = field[3], .language = field[2], .k = K_FIELD };
    FontePassages *found;
    Question question;
    Ranking ranking;
    if (index_search(collection, &query, NULL, NULL, &found, &err) != STATUS_OK ||
        question_init(&question, collection, terms, slice_of(field[3]), field[2], &err) !=
            STATUS_OK ||
        sentence_rank(&question, terms, found, K_READ, &arena, &ranking, &err) != STATUS_OK) {
        die(&err);
    }
    printf("Q\t%s\n", field[1]);
    print_ranking(&question, &ranking, found);
    puts(".");
    question_deinit(&question);
    index_passages_free(found);
}

#define NAME_IT(name) "\t" #name
static void print_names(void) {
    puts("E" EVIDENCE_TABLE(NAME_IT) "\nF" CONFIDENCE_TABLE(NAME_IT));
}

static void obey(char *line) {
    char *field[N_FIELDS];
    Err err = { 0 };
    for (int i = 0; i < N_FIELDS; i++) {
        field[i] = strsep(&line, "\t");
        if (!field[i]) field[i] = "";
    }
    if (*field[0] == 'P') add(field);
    if (*field[0] == 'Q') ask(field);
    if (*field[0] == 'R' && index_remove(collection, field[1], &err) != STATUS_OK) die(&err);
    fflush(stdout);
}

int main(int argc, char **argv) {
    Err err = { 0 };
    IndexOptions options = INDEX_OPTIONS_DEFAULT;
    if (argc != 2) return 2;
    if (index_open(argv[1], &options, NULL, NULL, &collection, &err) != STATUS_OK) die(&err);
    terms = text_terms_new();
    if (!terms) return 1;
    print_names();
    fflush(stdout);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    while ((n = getline(&line, &capacity, stdin)) > 0) {
        if (line[n - 1] == '\n') line[n - 1] = '\0';
        obey(line);
    }
    free(line);
    terms = text_terms_free(terms);
    index_close(collection);
    return 0;
}
