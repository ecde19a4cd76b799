/* Power cuts: everything that is written to the folder is written down while documents are added;
 * then, for hundreds of moments, the files are made again as a disk may hold them when the power
 * fails there: what was synced is there, of the rest each write is there, missing or torn. Each
 * image must open, be whole, and hold every transaction that was told of before the cut. The same
 * with synchronous=NORMAL must lose some, or the test sees nothing.
 * FONTE_POWER_IMAGES: images (default 210). */
#include "crash_shim.h"
#include "crash_workload.h"

#include <fcntl.h>

enum { TRANSACTIONS = 70, SECTOR = 512 };

static Err err;
static uint64_t seed = 12345;
static char image_folder[96];

static size_t random_below(size_t n) {
    seed = workload_mix(seed + 0x9E3779B97F4A7C15u);
    return n ? (size_t)(seed >> 16) % n : 0;
}

static Status record(const char *folder, bool normal) {
    StoreOptions options = fixture_options;
    options.synchronous_normal = normal;
    shim_start(folder);
    Store *store = NULL;
    TRY(store_open(folder, STORE_WRITE, &options, &store, &err));
    Status status = STATUS_OK;
    for (uint32_t t = 1; t <= TRANSACTIONS && status == STATUS_OK; t++) {
        status = workload_run(store, t, &err);
        if (status != STATUS_OK) break;
        shim_ack(t);
        if (t % 12 == 0) status = store_checkpoint(store, &err);
    }
    store_close(store);
    shim_log.on = false;
    return status;
}

/* One file of the image. */
typedef struct File {
    Buf durable;          /* zeros between writes */
    size_t pending[4096]; /* events since its last sync */
    size_t n_pending;
    bool made, named; /* it has been written to; and its folder synced since */
    bool removed, removed_surely;
} File;

static void put_bytes(Buf *file, size_t offset, const char *bytes, size_t n) {
    while (file->n < offset + n) buf_append_byte(file, '\0');
    if (n) memcpy(file->p + offset, bytes, n);
}

static void apply(Buf *file, const ShimEvent *e) {
    if (e->kind == SHIM_WRITE) {
        put_bytes(file, e->offset, shim_log.data.p + e->data, e->length);
    } else if (e->length < file->n) {
        file->n = e->length;
    } else {
        put_bytes(file, e->length, NULL, 0);
    }
}

/* A write that was under way: there, missing, its first sectors, or some of its sectors. */
static void apply_perhaps(Buf *file, const ShimEvent *e) {
    size_t fate = random_below(4);
    if (fate == 0) return;
    if (fate == 1 || e->kind != SHIM_WRITE) {
        apply(file, e);
        return;
    }
    size_t n_sectors = (e->length + SECTOR - 1) / SECTOR, first = random_below(n_sectors + 1);
    for (size_t s = 0; s < n_sectors; s++) {
        if (fate == 2 ? s >= first : random_below(2) == 0) continue;
        size_t at = s * SECTOR;
        put_bytes(file, e->offset + at, shim_log.data.p + e->data + at,
                  MIN((size_t)SECTOR, e->length - at));
    }
}

static void sync_file(File *f) {
    for (size_t i = 0; i < f->n_pending; i++) apply(&f->durable, &shim_log.events[f->pending[i]]);
    f->n_pending = 0;
}

static void replay(File *files, size_t cut) {
    for (size_t i = 0; i < cut; i++) {
        const ShimEvent *e = &shim_log.events[i];
        File *f = &files[e->file];
        if (e->kind == SHIM_UNLINK) {
            f->removed = true;
        } else if (e->kind == SHIM_SYNC && strcmp(shim_log.paths[e->file], shim_log.folder) == 0) {
            for (unsigned j = 0; j < shim_log.n_paths; j++) {
                files[j].named |= files[j].made;
                files[j].removed_surely |= files[j].removed;
            }
        } else if (e->kind == SHIM_SYNC) {
            sync_file(f);
        } else if (e->kind != SHIM_ACK) {
            if (f->removed) { /* the same name again: another file */
                f->durable.n = 0;
                f->n_pending = 0;
                f->removed = f->removed_surely = f->named = false;
            }
            f->made = true;
            if (f->n_pending == N_ELEMENTS(f->pending)) abort();
            f->pending[f->n_pending++] = i;
        }
    }
}

static void write_image(File *files) {
    char path[256];
    snprintf(path, sizeof path, "rm -rf -- %s && mkdir -m 700 %s", image_folder, image_folder);
    if (system(path) != 0) abort();
    for (unsigned j = 0; j < shim_log.n_paths; j++) {
        File *f = &files[j];
        const char *name = strrchr(shim_log.paths[j], '/') + 1;
        if (!f->made || strcmp(name, "lock") == 0) continue;
        if (f->removed_surely || (f->removed && random_below(2))) continue;
        if (!f->named && random_below(2)) continue;
        for (size_t i = 0; i < f->n_pending; i++) {
            apply_perhaps(&f->durable, &shim_log.events[f->pending[i]]);
        }
        snprintf(path, sizeof path, "%s/%s", image_folder, name);
        FILE *out = fopen(path, "wb");
        if (!out || fwrite(f->durable.p, 1, f->durable.n, out) != f->durable.n) abort();
        fclose(out);
    }
}

/* Half of the cuts anywhere, half right after a transaction was told of. */
static size_t choose_cut(void) {
    size_t cut = random_below(shim_log.n_events + 1);
    if (random_below(2)) return cut;
    while (cut < shim_log.n_events && shim_log.events[cut].kind != SHIM_ACK) cut++;
    return MIN(cut + 1 + random_below(3), shim_log.n_events);
}

/* OK where the image holds what it must. */
static Status check_image(size_t cut) {
    uint32_t told = 0, length = 0;
    for (size_t i = 0; i < cut; i++) {
        if (shim_log.events[i].kind == SHIM_ACK) told = (uint32_t)shim_log.events[i].offset;
    }
    Store *store;
    TRY(store_open(image_folder, STORE_WRITE, &fixture_options, &store, &err));
    Status status = workload_length(store, &length, &err);
    if (status == STATUS_OK && (length < told || length > told + 1)) {
        status = err_set(&err, STATUS_DAMAGED, "%u transactions told of, %u there", told, length);
    }
    if (status == STATUS_OK) status = workload_check(store, length, &err);
    store_close(store);
    return status;
}

static unsigned count_bad(unsigned images, bool tell) {
    unsigned bad = 0;
    for (unsigned i = 0; i < images; i++) {
        size_t cut = choose_cut();
        File *files = mem_alloc(N_ELEMENTS(shim_log.paths), sizeof *files);
        if (!files) abort();
        replay(files, cut);
        write_image(files);
        for (unsigned j = 0; j < shim_log.n_paths; j++) buf_deinit(&files[j].durable);
        free(files);
        if (check_image(cut) == STATUS_OK) continue;
        bad++;
        if (tell) fprintf(stderr, "image %u, cut at event %zu: %s\n", i, cut, err.text);
    }
    return bad;
}

static bool run(bool normal, unsigned images, unsigned *ret_bad) {
    char folder[96];
    snprintf(folder, sizeof folder, "%s/%s", fixture_folder, normal ? "normal" : "full");
    snprintf(image_folder, sizeof image_folder, "%s/image", fixture_folder);
    shim_log.n_events = 0;
    shim_log.n_paths = 0;
    buf_clear(&shim_log.data);
    if (record(folder, normal) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    *ret_bad = count_bad(images, !normal);
    printf("%s: %zu events, %u of %u images bad\n", normal ? "NORMAL" : "FULL", shim_log.n_events,
           *ret_bad, images);
    return true;
}

int main(void) {
    const char *setting = getenv("FONTE_POWER_IMAGES");
    unsigned images = setting && *setting ? (unsigned)strtoul(setting, NULL, 10) : 210, full,
             normal;
    if (!mkdtemp(fixture_folder)) return 1;
    bool ok = run(false, images, &full) && run(true, images / 5, &normal);
    fixture_drop();
    free(shim_log.events);
    buf_deinit(&shim_log.data);
    if (!ok || full) return 1;
    if (normal) return 0;
    fprintf(stderr, "synchronous=NORMAL lost nothing: this test sees nothing\n");
    return 1;
}
