#pragma once
/* Model files, without computing with them: what a GGUF file holds, whether it is whole, its words,
 * and making one from another number format or from a Hugging Face folder.
 * Computing is in fonte/llm.h.
 * Strings that come from files are NUL-terminated, valid UTF-8 (broken bytes are U+FFFD), and may
 * hold control characters. Threads: any; an object may be read by several at once.
 * error may be NULL everywhere. */
#include <fonte/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what a file holds ------------------------------------------------------------------------
 */

typedef struct FonteModelKey {
    const char *name;
    const char *type; /* "u32", "string", ...; of the elements for an array */
    bool is_array;
    uint64_t n_elements; /* of an array; 1 for a single value */
    const char *json;    /* the value as JSON; of an array the first FONTE_MODEL_KEY_ELEMENTS */
    uint64_t at_byte;
} FonteModelKey;
enum { FONTE_MODEL_KEY_ELEMENTS = 8 };

typedef struct FonteModelTensor {
    const char *name;
    const char *type; /* "F32", "Q4_K", ... */
    unsigned n_dims;  /* 1-4 */
    uint64_t dims[4]; /* dims[0] is the length of a row; 1 beyond n_dims */
    uint64_t n_elements;
    uint64_t n_bytes;
    uint64_t at_byte; /* where in the file */
} FonteModelTensor;

typedef struct FonteModelInfo {
    const char *path;
    const char *architecture;  /* general.architecture; "" where the file does not say, as below */
    const char *name;          /* general.name */
    const char *license;       /* general.license */
    const char *file_type;     /* "Q4_K_M" by general.file_type */
    const char *tokenizer;     /* "llama", "gpt2", ...: tokenizer.ggml.model */
    const char *chat_template; /* the template itself, which is never evaluated */
    const char *template_name; /* the known template that it is: "llama2", "chatml", ... */
    unsigned version;          /* of GGUF */
    uint64_t alignment;        /* bytes */
    uint64_t n_file_bytes;
    uint64_t n_tensor_bytes;
    uint64_t n_parameters; /* elements of all tensors */
    uint64_t n_vocabulary; /* pieces in the tokenizer */
    const FonteModelKey *keys;
    size_t n_keys;
    const FonteModelTensor *tensors; /* in the file's order */
    size_t n_tensors;
} FonteModelInfo;

/* *ret is returned owned (fonte_model_info_free). Errors name file, key or tensor, and byte offset:
 * DAMAGED, UNSUPPORTED (no GGUF that this program reads), TOO_LARGE, NOT_FOUND, DENIED, INVALID (no
 * regular file), IO, NO_MEMORY. */
FONTE_API FonteStatus fonte_model_inspect(const char *path, FonteModelInfo **ret,
                                          FonteError *error);
/* NULL is fine; returns NULL. */
FONTE_API FonteModelInfo *fonte_model_info_free(FonteModelInfo *info);
/* The key of that name, NULL where there is none. */
FONTE_API const FonteModelKey *fonte_model_info_key(const FonteModelInfo *info, const char *name);

/* Called with the bytes that are done; false stops (FONTE_CANCELLED). On the calling thread. */
typedef bool (*FonteModelProgress)(void *context, uint64_t done_bytes, uint64_t total_bytes);

typedef struct FonteModelVerifyOptions {
    unsigned n_threads; /* 0 = as many as there are processors */
    FonteModelProgress progress;
    void *context;
} FonteModelVerifyOptions;
/* Read the whole file: its structure, the vocabulary where it has one, and every tensor decoded to
 * finite numbers. Says the first thing that is wrong, as fonte_model_inspect does. options: NULL =
 * defaults. Whether it can be computed with is what fonte_llm_open says. */
FONTE_API FonteStatus fonte_model_verify(const char *path, const FonteModelVerifyOptions *options,
                                         FonteError *error);

/* ---- words ------------------------------------------------------------------------------------
 */

/* The vocabulary of a model. Text is only ever text here: "<s>" in it is three characters. */
typedef struct FonteVocab FonteVocab;

enum {
    FONTE_VOCAB_BOS = 1,       /* the id that begins a text first; an error where there is none */
    FONTE_VOCAB_EOS = 2,       /* the id that ends a text last; likewise */
    FONTE_VOCAB_CONTROL = 4,   /* when decoding: write control tokens as they are spelled */
    FONTE_VOCAB_CONTINUED = 8, /* this text goes on after another: no space before it is added
                                  (encoding) or taken off (decoding) */
    FONTE_VOCAB_AS_MODEL = 16, /* encoding: what the file wants at the beginning and the end */
};

/* path: a GGUF (weights are not needed) or a SentencePiece tokenizer.model, by its content.
 * *ret is returned owned (fonte_vocab_close). Errors as fonte_model_inspect; UNSUPPORTED, naming
 * it, for another kind of tokenizer. */
FONTE_API FonteStatus fonte_vocab_open(const char *path, FonteVocab **ret, FonteError *error);
FONTE_API FonteVocab *fonte_vocab_close(FonteVocab *vocab);
FONTE_API size_t fonte_vocab_size(const FonteVocab *vocab);
/* The ids of exactly these bytes, in *ret_ids, returned owned (free). Bytes that are not UTF-8
 * count as U+FFFD each. flags: FONTE_VOCAB_*. Errors: TOO_LARGE above 256 MiB; INVALID for a flag
 * that the vocabulary cannot fulfil; NO_MEMORY. */
FONTE_API FonteStatus fonte_vocab_encode(const FonteVocab *vocab, const void *text, size_t n_text,
                                         unsigned flags, int32_t **ret_ids, size_t *ret_n,
                                         FonteError *error);
/* The text of ids, in *ret_text, NUL-terminated (it may hold NULs), returned owned (free): valid
 * UTF-8. INVALID, with its place, for an id that there is not. */
FONTE_API FonteStatus fonte_vocab_decode(const FonteVocab *vocab, const int32_t *ids, size_t n,
                                         unsigned flags, char **ret_text, size_t *ret_n,
                                         FonteError *error);

/* ---- other formats ----------------------------------------------------------------------------
 */

/* What a tensor lost. */
typedef struct FonteTensorError {
    const char *name; /* valid during the call */
    const char *from, *to;
    uint64_t n_elements;
    uint64_t n_bytes; /* in the new file */
    double rmse;      /* root mean square of (new - old) */
    double relative;  /* rmse / root mean square of the old values */
    double max_error; /* the largest |new - old| */
} FonteTensorError;

typedef struct FonteQuantizeOptions {
    unsigned n_threads; /* 0 = as many as there are processors; at most 256 */
    bool pure;          /* every matrix in the one type, no mixture */
    FonteModelProgress progress;
    void (*report)(void *context, const FonteTensorError *tensor); /* for each tensor; or NULL */
    void *context;
} FonteQuantizeOptions;

typedef struct FonteQuantized {
    uint64_t in_bytes, out_bytes; /* of tensor data */
    uint64_t n_parameters;
    size_t n_tensors, n_changed;
    double bits_per_weight;
    double relative; /* error over all elements: rmse / root mean square */
} FonteQuantized;

/* The i-th type that fonte_model_quantize knows ("Q4_0", "Q4_K_M", ...); NULL beyond the last. */
FONTE_API const char *fonte_quantize_type(size_t i);
/* Write out_path with the weights in another type. The file appears under its name only when it is
 * whole; a call that fails or is cancelled leaves nothing behind. The bytes do not depend on
 * n_threads. options, ret may be NULL. Errors: USAGE for an unknown type; as fonte_model_inspect;
 * DAMAGED where weights are not finite; CANCELLED; CONFLICT where another is writing out_path;
 * NO_SPACE, IO. */
FONTE_API FonteStatus fonte_model_quantize(const char *in_path, const char *out_path,
                                           const char *type, const FonteQuantizeOptions *options,
                                           FonteQuantized *ret, FonteError *error);

typedef struct FonteConvertOptions {
    const char *type; /* of the matrices: "F32", "F16", "BF16"; NULL keeps each as it is */
    const char *name; /* of the model; NULL: the folder's */
    FonteModelProgress progress;
    void *context;
} FonteConvertOptions;

typedef struct FonteConverted {
    size_t n_tensors;
    uint64_t n_parameters;
    uint64_t out_bytes; /* of tensor data */
    const char *type;   /* of most matrices; static */
} FonteConverted;

/* Write out_path, as fonte_model_quantize does, from a Hugging Face folder: config.json,
 * *.safetensors, tokenizer.model or tokenizer.json. options, ret may be NULL. Errors, naming file
 * and field or tensor: UNSUPPORTED for what is no LLaMA-like model; DAMAGED for files that
 * contradict themselves or each other; USAGE for an unknown type; those of reading and writing;
 * CANCELLED. */
FONTE_API FonteStatus fonte_model_convert(const char *folder, const char *out_path,
                                          const FonteConvertOptions *options, FonteConverted *ret,
                                          FonteError *error);

/* ---- random weights ---------------------------------------------------------------------------
 */

typedef struct FonteRandomOptions {
    unsigned n_layers; /* 0 = the shape's; at most 1,024 */
    uint64_t seed;
    FonteModelProgress progress;
    void *context;
} FonteRandomOptions;

/* The i-th shape that fonte_model_random knows ("llama2-7b", ...); NULL beyond the last. */
FONTE_API const char *fonte_random_shape(size_t i);
/* Write out_path, as fonte_model_quantize does: a model of that shape whose weights are random, of
 * the magnitude of trained ones, for measuring speed and memory. type is one of
 * fonte_quantize_type's. The same shape, layers, type and seed give the same bytes. options, ret
 * may be NULL (ret->type is type's canonical name). Errors: USAGE (shape, type, layers); CANCELLED;
 * CONFLICT, NO_SPACE, IO, NO_MEMORY. */
FONTE_API FonteStatus fonte_model_random(const char *shape, const char *type, const char *out_path,
                                         const FonteRandomOptions *options, FonteConverted *ret,
                                         FonteError *error);

#ifdef __cplusplus
}
#endif
