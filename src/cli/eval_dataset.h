#pragma once
/* Evaluation data: passages and questions with gold answers. Two layouts are known: a folder with
 * passages.jsonl[.gz] and questions.jsonl[.gz] (the passage is the gold unit), and a folder with
 * questions.jsonl and the documents it names (the document is).
 * Threads: plain data once loaded. */
#include <fonte/status.h>
#include <stdbool.h>

typedef struct EvalPassage {
    char *id, *language, *title, *text; /* title "" where the layout has none */
} EvalPassage;

typedef struct EvalQuestion {
    char *id, *language, *text;
    char *gold; /* id of the gold passage; "" where no passage holds the answer */
    char **answers;
    size_t n_answers;
} EvalQuestion;

typedef struct EvalDataset {
    char *name; /* last part of the folder's path */
    EvalPassage *passages;
    size_t n_passages;
    EvalQuestion *questions;
    size_t n_questions;
    bool are_files; /* passages are whole files, read by the index's own readers */
} EvalDataset;

FonteStatus eval_dataset_load(const char *folder, EvalDataset *ret, FonteError *error);
void eval_dataset_deinit(EvalDataset *dataset);
