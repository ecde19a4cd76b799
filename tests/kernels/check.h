#pragma once
/* For the parts of check_kernels: what is compared, counted checks, random numbers, outputs between
 * canaries. */
#include "kernels/kernels.h"

#include "base/mem.h"
#include "tolerance.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern KernelTable ref, set; /* the oracle; the set that is being checked */

/* Counts, and prints what failed. */
void check(bool good, const char *what, const char *type, size_t n, size_t detail);
/* p; out of memory ends the program. */
void *need(void *p);

uint64_t random_bits(void);
float random_float(void); /* uniform in [-1, 1) */

/* An output of n floats between canaries, at `shift` floats past a boundary of 64 bytes. */
typedef struct Guarded {
    float *all, *y; /* all: owned (free) */
    size_t n;
} Guarded;
Guarded guarded_new(size_t n, size_t shift);
bool guarded_whole(const Guarded *g);
/* The same with random content. */
float *random_row(size_t n, Guarded *ret, size_t shift);
float *scratch_of(size_t n_floats);

/* The same bits, or NaN in both. */
bool same_bits(const float *a, const float *b, size_t n);

/* Every element of got within tolerance |scale| (NULL: |wanted|) and 1e-37 of wanted. */
bool close_to(const float *got, const float *wanted, size_t n, double tolerance,
              const float *scale);

/* Each over `set`. */
void check_products(void);   /* check_products.c: decode_row, pack, matmul */
void check_rows(void);       /* check_rows.c: rmsnorm, rope, silu_mul, add, kv_store */
void check_pick(void);       /* check_pick.c: names, masks, whole tables */
void check_attentions(void); /* check_attention.c */
