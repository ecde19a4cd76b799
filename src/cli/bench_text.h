#pragma once
/* Text for benchmarks: Italian or English of a sort, made from a seed. Function words are real,
 * content words invented with Zipf's frequencies from a vocabulary of 60,000, so that a lexical
 * index sees what it would see in real text: few very common words, very many rare ones. Threads:
 * one owner at a time. */
#include <stddef.h>
#include <stdint.h>

typedef struct BenchText BenchText;

BenchText *bench_text_new(uint64_t seed); /* NULL without memory */
BenchText *bench_text_free(BenchText *text);
/* A document of about n_bytes: paragraphs of sentences, UTF-8. Returned owned (free). */
char *bench_text_document(BenchText *text, size_t n_bytes);
/* A question of 5-10 words, some rare, some common. Returned owned (free). */
char *bench_text_question(BenchText *text);
