#pragma once
/* System calls of this program and of the libraries in it that write files, seen and broken: a
 * program that links crash_shim.c has its own pwrite, fsync and so on, which libsqlite3 then calls
 * too. (LD_PRELOAD would do the same; linked in, it works under sanitizers as well.)
 * Threads: none. */
#include "base/buf.h"

typedef enum ShimKind { SHIM_WRITE, SHIM_TRUNCATE, SHIM_SYNC, SHIM_UNLINK, SHIM_ACK } ShimKind;

typedef struct ShimEvent {
    ShimKind kind;
    unsigned file;         /* index into shim_log.paths; of a folder for SHIM_SYNC of one */
    size_t offset, length; /* SHIM_TRUNCATE: length; SHIM_ACK: offset is the transaction */
    size_t data;           /* offset into shim_log.data */
} ShimEvent;

typedef struct ShimLog {
    bool on;
    char folder[64]; /* only files in it, and itself, are looked at */
    char paths[16][96];
    unsigned n_paths;
    ShimEvent *events;
    size_t n_events, capacity;
    Buf data;
} ShimLog;
extern ShimLog shim_log;

/* Begin to write down what happens in the folder. */
void shim_start(const char *folder);
void shim_ack(uint32_t transaction);

/* What to break from now on in that folder; -1 = nothing. */
typedef struct ShimFault {
    long syncs_until_eio;     /* so many succeed, then every one fails */
    long writes_until_enospc; /* the same for writes that would make a file longer */
} ShimFault;
extern ShimFault shim_fault;
