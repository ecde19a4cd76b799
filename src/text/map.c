/* The offset map: runs that ascend in both offsets, so that a look-up is a binary search and two
 * maps compose in one walk over both. A run counts units, not bytes: a text in Latin-1 or full of
 * "\u00e8" stays a few runs per word, and one in UTF-16 is mostly one run per script. */
#include "text/text_internal.h"

void map_builder_deinit(MapBuilder *map) {
    free(map->runs);
    *map = MAP_BUILDER_NULL;
}

void map_builder_add(MapBuilder *map, TextRun run) {
    if (!run.count || !run.clean_unit || !run.origin_unit) return;
    if (map->n_runs) {
        TextRun *last = &map->runs[map->n_runs - 1];
        size_t clean_end = last->clean + last->count * last->clean_unit;
        size_t origin_end = last->origin + last->count * last->origin_unit;
        if (run.clean < clean_end || run.origin < origin_end) return;
        if (run.clean == clean_end && run.origin == origin_end &&
            run.clean_unit == last->clean_unit && run.origin_unit == last->origin_unit) {
            last->count += run.count;
            return;
        }
    }
    if (map->failed ||
        !mem_grow((void **)&map->runs, &map->capacity, map->n_runs + 1, sizeof *map->runs)) {
        map->failed = true;
        return;
    }
    map->runs[map->n_runs++] = run;
}

/* A place in a map that only moves forward. */
typedef struct Cursor {
    const TextRun *run, *end;
} Cursor;

static void cursor_seek(Cursor *cursor, size_t clean) {
    while (cursor->run < cursor->end &&
           cursor->run->clean + cursor->run->count * cursor->run->clean_unit <= clean)
        cursor->run++;
}

/* Bytes that are the same in clean and middle: each inner run gives one run of its own shape. */
static void compose_verbatim(const TextRun *outer, Cursor *cursor, MapBuilder *ret) {
    size_t clean = outer->clean, middle = outer->origin, left = outer->count;
    while (left) {
        cursor_seek(cursor, middle);
        const TextRun *in = cursor->run;
        if (in == cursor->end) return;
        if (in->clean > middle) { /* these bytes have no origin */
            size_t gap = MIN(in->clean - middle, left);
            clean += gap, middle += gap, left -= gap;
            continue;
        }
        size_t unit = (middle - in->clean) / in->clean_unit;
        size_t inside = (middle - in->clean) % in->clean_unit;
        size_t take;
        if (inside || left < in->clean_unit) { /* a part of a unit stands for all of it */
            take = MIN(left, in->clean_unit - inside);
            map_builder_add(ret, (TextRun){ clean, in->origin + unit * in->origin_unit, 1,
                                            (uint32_t)take, in->origin_unit });
        } else {
            size_t n = MIN(in->count - unit, left / in->clean_unit);
            take = n * in->clean_unit;
            map_builder_add(ret, (TextRun){ clean, in->origin + unit * in->origin_unit, n,
                                            in->clean_unit, in->origin_unit });
        }
        clean += take, middle += take, left -= take;
    }
}

static void compose_units(const TextRun *outer, Cursor *cursor, MapBuilder *ret) {
    for (size_t i = 0; i < outer->count; i++) {
        size_t middle = outer->origin + i * outer->origin_unit, start, end;
        cursor_seek(cursor, middle);
        /* the unit may reach over several inner runs: look from here on */
        TextMap rest = { (TextRun *)cursor->run, (size_t)(cursor->end - cursor->run) };
        if (!text_map_span(&rest, middle, middle + outer->origin_unit, &start, &end)) continue;
        if (end - start > UINT32_MAX) continue;
        map_builder_add(ret, (TextRun){ outer->clean + i * outer->clean_unit, start, 1,
                                        outer->clean_unit, (uint32_t)(end - start) });
    }
}

void map_compose(TextMap outer, TextMap inner, MapBuilder *ret) {
    Cursor cursor = { inner.runs, inner.runs ? inner.runs + inner.n_runs : NULL };
    for (size_t i = 0; i < outer.n_runs; i++) {
        const TextRun *run = &outer.runs[i];
        if (run->clean_unit == 1 && run->origin_unit == 1)
            compose_verbatim(run, &cursor, ret);
        else
            compose_units(run, &cursor, ret);
    }
}

/* The first run that ends after clean byte `at`. */
static size_t map_find(const TextMap *map, size_t at) {
    size_t low = 0, high = map->n_runs;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const TextRun *run = &map->runs[mid];
        if (run->clean + run->count * run->clean_unit <= at)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool text_map_span(const TextMap *map, size_t start, size_t end, size_t *ret_start,
                   size_t *ret_end) {
    if (start >= end) return false;
    size_t first = map_find(map, start);
    if (first == map->n_runs || map->runs[first].clean >= end) return false;
    size_t last = map_find(map, end - 1);
    if (last == map->n_runs || map->runs[last].clean >= end) last--;
    const TextRun *a = &map->runs[first], *b = &map->runs[last];
    size_t begin = start > a->clean ? (start - a->clean) / a->clean_unit : 0;
    size_t stop = MIN((end - b->clean + b->clean_unit - 1) / b->clean_unit, b->count);
    *ret_start = a->origin + begin * a->origin_unit;
    *ret_end = b->origin + stop * b->origin_unit;
    return true;
}

bool text_map_is_identity(const TextMap *map, size_t n_text) {
    if (!n_text) return !map->n_runs;
    const TextRun *run = map->runs;
    return map->n_runs == 1 && !run->clean && !run->origin && run->count == n_text &&
           run->clean_unit == 1 && run->origin_unit == 1;
}

void text_map_encode(const TextMap *map, Buf *ret) {
    size_t clean = 0, origin = 0;
    buf_append_varint(ret, map->n_runs);
    for (size_t i = 0; i < map->n_runs; i++) {
        const TextRun *run = &map->runs[i];
        buf_append_varint(ret, run->clean - clean);
        buf_append_varint(ret, run->origin - origin);
        buf_append_varint(ret, run->count);
        buf_append_varint(ret, run->clean_unit);
        buf_append_varint(ret, run->origin_unit);
        clean = run->clean + run->count * run->clean_unit;
        origin = run->origin + run->count * run->origin_unit;
    }
}

/* One run after (clean, origin), which move to its end; false where it is not possible. */
static bool run_decode(Slice *bytes, size_t *clean, size_t *origin, TextRun *ret) {
    uint64_t gap_clean, gap_origin, count, clean_unit, origin_unit;
    size_t n_clean, n_origin;
    if (!slice_take_varint(bytes, &gap_clean) || !slice_take_varint(bytes, &gap_origin) ||
        !slice_take_varint(bytes, &count) || !slice_take_varint(bytes, &clean_unit) ||
        !slice_take_varint(bytes, &origin_unit))
        return false;
    if (!count || !clean_unit || !origin_unit || clean_unit > UINT32_MAX ||
        origin_unit > UINT32_MAX)
        return false;
    if (!mem_mul(count, clean_unit, &n_clean) || !mem_mul(count, origin_unit, &n_origin) ||
        !mem_add(*clean, gap_clean, clean) || !mem_add(*origin, gap_origin, origin))
        return false;
    *ret = (TextRun){ *clean, *origin, count, (uint32_t)clean_unit, (uint32_t)origin_unit };
    return mem_add(*clean, n_clean, clean) && mem_add(*origin, n_origin, origin);
}

Status text_map_decode(Slice bytes, Arena *arena, TextMap *ret, Err *err) {
    uint64_t n;
    size_t clean = 0, origin = 0;
    if (!slice_take_varint(&bytes, &n) || n > bytes.n / 5)
        return err_set(err, STATUS_DAMAGED, "offset map: its number of runs does not fit");
    TextRun *runs = arena_alloc(arena, n, sizeof *runs);
    if (!runs) return err_set(err, STATUS_NO_MEMORY, "no memory for an offset map");
    for (size_t i = 0; i < n; i++) {
        if (!run_decode(&bytes, &clean, &origin, &runs[i]))
            return err_set(err, STATUS_DAMAGED, "offset map: run %zu is not valid", i);
    }
    if (bytes.n)
        return err_set(err, STATUS_DAMAGED, "offset map: %zu bytes too many at its end", bytes.n);
    *ret = (TextMap){ runs, n };
    return STATUS_OK;
}
