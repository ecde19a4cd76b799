#pragma once
/* For check_kernels and its parts: what is compared, outputs between canaries, random numbers. */
#include "kernels/kernels.h"

#include "base/mem.h"
#include "tolerance.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern KernelTable check_ref, check_set; /* the oracle; the set that is being checked */

/* Counts a check, and prints one that failed. */
void check(bool good, const char *what, const char *type, size_t n, size_t detail);
/* p, or the program ends. */
void *check_need(void *p);

/* uniform in [-1, 1) */
float check_random(void);
uint64_t check_random_bits(void);

/* An output of n floats between canaries, at `shift` floats past a boundary of 64 bytes. */
typedef struct Guarded {
    float *all, *y; /* all: owned (free) */
    size_t n;
} Guarded;
Guarded guarded_new(size_t n, size_t shift);
bool guarded_whole(const Guarded *g);
/* The same, filled with random numbers. */
Guarded guarded_random(size_t n, size_t shift);
float *check_scratch(size_t n_floats);

/* A block of random levels under scales of ordinary size. */
void check_random_block(GgufType type, uint8_t *block);
/* The same bits, or NaN in both. */
bool same_bits(const float *a, const float *b, size_t n);
/* got = wanted up to tolerance |scale| (scale NULL: |wanted|); where wanted is infinite or NaN, got
 * is the same. */
bool close_to(const float *got, const float *wanted, size_t n, double tolerance,
              const float *scale);

/* The parts: each over check_set. */
void check_products(void);  /* check_products.c: decode_row, matmul */
void check_rows(void);      /* check_rows.c: rmsnorm, rope, silu_mul, add, kv_store */
void check_attention(void); /* check_attention.c */
