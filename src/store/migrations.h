#pragma once
/* The migrations of index/migrations, in order: made at build time by embed_migrations.py.
 * Threads: any (constant). */
typedef struct StoreMigration {
    const char *name; /* file name */
    const char *sql;
} StoreMigration;
extern const StoreMigration store_migrations[];
