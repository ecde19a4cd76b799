/* What a template is made of is written with three verbs: token (a control piece), text (the
 * template's own words) and content (what people wrote). Content is always PART_TEXT; whether its
 * words look like markers is nothing this file looks at, and tokenizer.c never makes control tokens
 * from text.
 *
 * Where a vocabulary has a marker as a control piece, the token is used; where it does not, llama2,
 * mistral and zephyr write it as text, as their references do, and llama3 and chatml, which are
 * nothing without their tokens, are refused. */
#include "llm/template.h"

typedef struct Known {
    const char *name;
    const char *all_of[3];  /* a file's template has all of these */
    const char *none_of[4]; /* and none of these, which are other families' */
} Known;

static const Known known[N_TEMPLATES] = {
    [TEMPLATE_LLAMA2] = { "llama2", { "[INST]", "<<SYS>>" }, { "<|im_start|>" } },
    [TEMPLATE_LLAMA3] = { "llama3",
                          { "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>" },
                          { 0 } },
    [TEMPLATE_MISTRAL] = { "mistral",
                           { "[INST]", "[/INST]" },
                           { "<<SYS>>", "[SYSTEM_PROMPT]", "<|im_start|>" } },
    [TEMPLATE_ZEPHYR] = { "zephyr",
                          { "<|user|>", "<|assistant|>" },
                          { "<|end|>", "[gMASK]", "<|im_start|>", "<|end_of_text|>" } },
    [TEMPLATE_CHATML] = { "chatml", { "<|im_start|>", "<|im_end|>" }, { "<|im_sep|>" } },
};
static const char names[] = "llama2, llama3, mistral, zephyr, chatml";

const char *template_name(TemplateKind kind) {
    return (unsigned)kind < N_TEMPLATES ? known[kind].name : "unknown";
}

Status template_from_name(Slice name, TemplateKind *ret, Err *err) {
    for (int i = 0; i < N_TEMPLATES; i++) {
        if (!slice_equal(name, slice_of(known[i].name))) continue;
        *ret = (TemplateKind)i;
        return STATUS_OK;
    }
    return err_set_param(err, STATUS_UNSUPPORTED, "template",
                         "no chat template is called \"%.*s\"; there are %s", (int)MIN(name.n, 60),
                         name.n ? name.p : "", names);
}

static bool contains(Slice text, const char *part) {
    return text.n && memmem(text.p, text.n, part, strlen(part)) != NULL;
}

static bool looks_like(const Known *k, Slice text) {
    for (size_t i = 0; i < N_ELEMENTS(k->all_of) && k->all_of[i]; i++) {
        if (!contains(text, k->all_of[i])) return false;
    }
    for (size_t i = 0; i < N_ELEMENTS(k->none_of) && k->none_of[i]; i++) {
        if (contains(text, k->none_of[i])) return false;
    }
    return true;
}

Status template_detect(Slice chat_template, TemplateKind *ret, Err *err) {
    int found = -1, n = 0;
    for (int i = 0; i < N_TEMPLATES; i++) {
        if (looks_like(&known[i], chat_template)) found = i, n++;
    }
    if (n != 1)
        return err_set_param(err, STATUS_UNSUPPORTED, "template",
                             "the model file has %s chat template; choose one of %s",
                             chat_template.n ? "an unknown" : "no", names);
    *ret = (TemplateKind)found;
    return STATUS_OK;
}

/* ---- building ---- */

typedef struct Builder {
    const Vocab *vocab;
    PromptParts *out;
    TemplateKind kind;
    Err *err;
    Status status; /* the first failure; what follows is ignored */
} Builder;

void prompt_parts_deinit(PromptParts *parts) {
    free(parts->parts);
    *parts = PROMPT_PARTS_NULL;
}

static void add(Builder *b, PromptPart part) {
    PromptParts *out = b->out;
    if (b->status != STATUS_OK) return;
    if (!mem_grow((void **)&out->parts, &out->capacity, out->n + 1, sizeof(*out->parts))) {
        b->status =
            err_set(b->err, STATUS_NO_MEMORY, "no memory for a prompt of %zu parts", out->n);
        return;
    }
    out->parts[out->n++] = part;
}

static void content(Builder *b, Slice text) {
    if (text.n) add(b, (PromptPart){ .kind = PART_TEXT, .text = text });
}

static void text(Builder *b, const char *words) {
    content(b, slice_of(words));
}

static void id_token(Builder *b, int32_t id) {
    if (id >= 0) add(b, (PromptPart){ .kind = PART_TOKEN, .id = id });
}

static void token(Builder *b, const char *marker) {
    int32_t id = vocab_find_control(b->vocab, slice_of(marker));
    if (id < 0 && b->status == STATUS_OK)
        b->status =
            err_set_param(b->err, STATUS_UNSUPPORTED, "template",
                          "the vocabulary has no token %s, which the chat template %s needs",
                          marker, template_name(b->kind));
    id_token(b, id);
}

static void eos_token(Builder *b) {
    if (vocab_eos(b->vocab) < 0 && b->status == STATUS_OK)
        b->status =
            err_set_param(b->err, STATUS_UNSUPPORTED, "template",
                          "the vocabulary has no EOS token, which the chat template %s needs",
                          template_name(b->kind));
    id_token(b, vocab_eos(b->vocab));
}

/* As a token where there is one, otherwise as text. */
static void marker_or_text(Builder *b, const char *marker) {
    int32_t id = vocab_find_control(b->vocab, slice_of(marker));
    if (id >= 0)
        id_token(b, id);
    else
        text(b, marker);
}

static const char *role_name(ChatRole role) {
    return role == CHAT_SYSTEM ? "system" : role == CHAT_USER ? "user" : "assistant";
}

/* ---- the templates ---- */

/* The reference strips the system's words and the first user's as one text, so that white space
 * between them stays. */
static Slice without_end(Slice s) {
    Slice trimmed = slice_trim(s);
    return trimmed.n ? (Slice){ s.p, (size_t)(trimmed.p - s.p) + trimmed.n } : trimmed;
}

static void llama2(Builder *b, const ChatMessage *m, size_t n, const ChatMessage *system) {
    for (size_t i = 0; i < n; i++) {
        if (m[i].role == CHAT_ASSISTANT) {
            text(b, " ");
            content(b, slice_trim(m[i].text));
            text(b, " ");
            eos_token(b);
            continue;
        }
        id_token(b, vocab_bos(b->vocab));
        text(b, "[INST] ");
        if (i == 0 && system) {
            text(b, "<<SYS>>\n");
            content(b, system->text);
            text(b, "\n<</SYS>>\n\n");
        }
        content(b, i == 0 && system ? without_end(m[i].text) : slice_trim(m[i].text));
        text(b, " [/INST]");
    }
}

static void llama3(Builder *b, const ChatMessage *m, size_t n, bool add_assistant) {
    token(b, "<|begin_of_text|>");
    for (size_t i = 0; i < n; i++) {
        token(b, "<|start_header_id|>");
        text(b, role_name(m[i].role));
        token(b, "<|end_header_id|>");
        text(b, "\n\n");
        content(b, slice_trim(m[i].text));
        token(b, "<|eot_id|>");
    }
    if (!add_assistant) return;
    token(b, "<|start_header_id|>");
    text(b, "assistant");
    token(b, "<|end_header_id|>");
    text(b, "\n\n");
}

/* V1 (markers are text): the system's words before the first user's; V3 (markers are tokens):
 * before the last user's. */
static void mistral(Builder *b, const ChatMessage *m, size_t n, const ChatMessage *system) {
    bool tokens = vocab_find_control(b->vocab, SLICE("[INST]")) >= 0 &&
                  vocab_find_control(b->vocab, SLICE("[/INST]")) >= 0;
    size_t with_system = 0;
    for (size_t i = 0; i < n && tokens; i++) {
        if (m[i].role == CHAT_USER) with_system = i;
    }
    id_token(b, vocab_bos(b->vocab));
    for (size_t i = 0; i < n; i++) {
        if (m[i].role == CHAT_ASSISTANT) {
            if (!tokens) text(b, " ");
            content(b, m[i].text);
            eos_token(b);
            continue;
        }
        marker_or_text(b, "[INST]");
        if (!tokens) text(b, " ");
        if (i == with_system && system) {
            content(b, system->text);
            text(b, "\n\n");
        }
        content(b, m[i].text);
        if (!tokens) text(b, " ");
        marker_or_text(b, "[/INST]");
    }
}

static void zephyr(Builder *b, const ChatMessage *m, size_t n, bool add_assistant) {
    static const char *const markers[] = { "<|system|>", "<|user|>", "<|assistant|>" };
    if (vocab_adds_bos(b->vocab)) id_token(b, vocab_bos(b->vocab));
    for (size_t i = 0; i < n; i++) {
        marker_or_text(b, markers[m[i].role]);
        text(b, "\n");
        content(b, m[i].text);
        eos_token(b);
        text(b, "\n");
    }
    if (!add_assistant) return;
    marker_or_text(b, "<|assistant|>");
    text(b, "\n");
}

static void chatml(Builder *b, const ChatMessage *m, size_t n, bool add_assistant) {
    if (vocab_adds_bos(b->vocab)) id_token(b, vocab_bos(b->vocab));
    for (size_t i = 0; i < n; i++) {
        token(b, "<|im_start|>");
        text(b, role_name(m[i].role));
        text(b, "\n");
        content(b, m[i].text);
        token(b, "<|im_end|>");
        text(b, "\n");
    }
    if (!add_assistant) return;
    token(b, "<|im_start|>");
    text(b, "assistant\n");
}

static Status check_order(TemplateKind kind, const ChatMessage *m, size_t n, bool add_assistant,
                          Err *err) {
    for (size_t i = 0; i < n; i++) {
        if ((unsigned)m[i].role > CHAT_ASSISTANT)
            return err_set_param(err, STATUS_INVALID, "messages", "message %zu has no known role",
                                 i);
        if (m[i].role == CHAT_SYSTEM && i > 0)
            return err_set_param(err, STATUS_INVALID, "messages",
                                 "message %zu: only the first may be the system's", i);
    }
    if (kind != TEMPLATE_LLAMA2 && kind != TEMPLATE_MISTRAL) return STATUS_OK;
    size_t first = n && m[0].role == CHAT_SYSTEM ? 1 : 0;
    for (size_t i = first; i < n; i++) {
        if (m[i].role != ((i - first) % 2 ? CHAT_ASSISTANT : CHAT_USER))
            return err_set_param(err, STATUS_INVALID, "messages",
                                 "message %zu: user and assistant must take turns, the user first, "
                                 "with the chat template %s",
                                 i, template_name(kind));
    }
    if (first == n || (add_assistant && m[n - 1].role != CHAT_USER))
        return err_set_param(err, STATUS_INVALID, "messages",
                             "the last message must be the user's with the chat template %s",
                             template_name(kind));
    return STATUS_OK;
}

Status template_render(TemplateKind kind, const ChatMessage *messages, size_t n, bool add_assistant,
                       const Vocab *vocab, PromptParts *ret, Err *err) {
    TRY(check_order(kind, messages, n, add_assistant, err));
    Builder b = { vocab, ret, kind, err, STATUS_OK };
    size_t before = ret->n;
    const ChatMessage *system = n && messages[0].role == CHAT_SYSTEM ? messages : NULL;
    size_t skip = system ? 1 : 0;
    switch (kind) {
    case TEMPLATE_LLAMA2: llama2(&b, messages + skip, n - skip, system); break;
    case TEMPLATE_MISTRAL: mistral(&b, messages + skip, n - skip, system); break;
    case TEMPLATE_LLAMA3: llama3(&b, messages, n, add_assistant); break;
    case TEMPLATE_ZEPHYR: zephyr(&b, messages, n, add_assistant); break;
    case TEMPLATE_CHATML: chatml(&b, messages, n, add_assistant); break;
    default:
        b.status =
            err_set_param(err, STATUS_UNSUPPORTED, "template", "there is no such chat template");
    }
    if (b.status != STATUS_OK) ret->n = before;
    return b.status;
}

int32_t template_end(TemplateKind kind, const Vocab *vocab) {
    if (kind == TEMPLATE_LLAMA3) return vocab_find_control(vocab, SLICE("<|eot_id|>"));
    if (kind == TEMPLATE_CHATML) return vocab_find_control(vocab, SLICE("<|im_end|>"));
    return vocab_eos(vocab);
}
