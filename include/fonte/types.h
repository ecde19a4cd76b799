#pragma once
/* The things that Fonte talks about: documents, passages that were found, answers with citations.
 * Rooms and library users share these structs. Strings are NUL-terminated UTF-8, never NULL (""
 * where there is nothing), and views into the object that they came in. Threads: plain data. */
#include <fonte/status.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FONTE_NO_OFFSET SIZE_MAX
#define FONTE_COLLECTION_DEFAULT "default"

/* One document as it is stored. */
typedef struct FonteDocument {
    const char *id;         /* stable over versions: 26 characters of base32 */
    const char *version;    /* SHA-256 of the original bytes, 64 hexadecimal digits */
    const char *collection; /* the set it belongs to */
    const char *title;
    const char *url;      /* or the path that it was added from */
    const char *date;     /* ISO 8601 */
    const char *language; /* ISO 639-1 */
    const char *source;
    const char *format; /* "text", "markdown", "html", "jsonl", "feed" */
    size_t n_text_bytes;
    size_t n_origin_bytes;
    size_t n_passages;
    int64_t added_unix_s;
} FonteDocument;

/* What adding one document did. */
typedef struct FonteAdded {
    const char *id;
    const char *version;
    const char *language;
    const char *title;
    size_t n_passages;
    bool duplicate; /* these bytes were there already: nothing was done */
    bool replaced;  /* an older version made way */
} FonteAdded;

typedef struct FonteAddedList {
    FonteAdded *added;
    size_t n_added;
    size_t n_skipped;    /* records of the input that could not be read */
    const char *skipped; /* the first of them: where and why */
} FonteAddedList;

/* Which documents a search looks at, before anything is ranked. NULL or "" = any. */
typedef struct FonteFilters {
    const char *language;  /* ISO 639-1 */
    const char *source;    /* equal, case folded */
    const char *date_from; /* ISO 8601 date or beginning of one ("2023", "2023-07"), inclusive */
    const char *date_to;   /* the same, inclusive: "2023" is to the end of 2023 */
} FonteFilters;

/* A passage that was found. Offsets are bytes: [start, end) of the document's clean text. */
typedef struct FontePassage {
    const char *document; /* id */
    const char *version;
    const char *title;
    const char *url;
    const char *date;
    const char *language;
    const char *source;
    const char *heading; /* heading path inside the document */
    const char *text;    /* exactly the clean text's bytes [start, end) */
    size_t start, end;
    size_t origin_start, origin_end; /* bytes of the original; FONTE_NO_OFFSET where it has none */
    double score;                    /* fused; higher is better */
    double lexical_score;            /* BM25, higher is better; 0 where not found lexically */
    double vector_score;             /* cosine; 0 where not found by vector */
    size_t lexical_rank;             /* 1 = best; 0 = not in that list */
    size_t vector_rank;
    size_t n_folded; /* near-duplicate passages that this one stands for */
} FontePassage;

typedef struct FonteStageTimes { /* milliseconds; 0 = the stage did not run */
    double embed_ms, lexical_ms, vector_ms, fuse_ms, read_ms, answer_ms, total_ms;
    double engine_ms; /* of answer_ms: waiting for the model's tokens */
} FonteStageTimes;

typedef struct FontePassages {
    FontePassage *passages; /* best first */
    size_t n_passages;
    const char *language; /* of the question, as given or guessed */
    FonteStageTimes times;
} FontePassages;

typedef enum FonteSearchMode { FONTE_HYBRID, FONTE_LEXICAL, FONTE_VECTOR } FonteSearchMode;

typedef struct FonteQuery {
    const char *text;
    const char *collection; /* NULL = default */
    const char *language;   /* of the question; NULL or "" = guess */
    size_t k;               /* passages wanted; 0 = 8 */
    FonteSearchMode mode;
    FonteFilters filters;
} FonteQuery;

/* A sentence of the answer and where it stands, byte for byte. */
typedef struct FonteCitation {
    size_t n;       /* the [n] in the answer, from 1 */
    size_t passage; /* index into the answer's passages */
    const char *document, *version, *title, *url, *date;
    size_t start, end;               /* bytes of the clean text */
    const char *quote;               /* exactly that slice */
    size_t origin_start, origin_end; /* FONTE_NO_OFFSET where the format has none */
} FonteCitation;

/* A sentence of a written answer and whether the passages that it cites support it. */
typedef struct FonteSentence {
    size_t start, end;   /* bytes of the answer's text, markers included */
    const char *support; /* "supported", "repaired" (cited anew), "unsupported" */
    const char *missing; /* unsupported: a number, name or word that no passage has */
} FonteSentence;

typedef struct FonteAnswer {
    const char *text;     /* sentences, each with its [n]; "" where it abstained */
    const char *language; /* of the question */
    bool abstained;
    const char *reason; /* why it abstained: "no_documents", "nothing_found", "weak_support" */
    double confidence;  /* 0-1; abstains below the setting */
    FonteCitation *citations;
    size_t n_citations;
    FontePassages *passages; /* what was retrieved, best first; owned by the answer */
    /* of an answer that a model wrote; generator "" and the rest 0 where it quotes */
    const char *generator;
    FonteSentence *sentences;
    size_t n_sentences;
    size_t n_left_out;       /* sentences that no passage supports, where the setting drops them */
    size_t n_prompt_tokens;  /* read; */
    size_t n_cached_tokens;  /* of these not computed again */
    size_t n_answer_tokens;  /* written */
    size_t n_prompt_used;    /* passages in the prompt, */
    size_t n_prompt_dropped; /* and those that did not fit */
    FonteStageTimes times;
} FonteAnswer;

#ifdef __cplusplus
}
#endif
