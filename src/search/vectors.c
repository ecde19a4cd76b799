/* Threading model: `lock` guards the FAISS index's content; `kind`, `dim` and `n_lists` never
 * change. FAISS runs single-threaded everywhere: with two threads one query took 119 ms instead of
 * 20, and the daemon has as many workers as processors anyway. OpenMP's setting belongs to the
 * calling thread, so every entry sets it; OpenBLAS's belongs to the process.
 *
 * Search parameters carry the filter and the probes of one query, so nothing in the index changes
 * while it is searched. */
#include "search/vectors.h"

#include "search/faiss_c.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { MIN_LISTS = 16, MAX_LISTS = 4096, MIN_PROBES = 16, PROBE_RATIO = 64, CLUSTER_ROUNDS = 6 };
/* A scope of so few vectors is searched exactly: all lists, of which the filter leaves little. */
enum { SMALL_SCOPE = 4096 };

struct Vectors {
    pthread_rwlock_t lock;
    FaissIndex *index;
    size_t dim, n_lists;
    VectorsKind kind;
};

static pthread_once_t threads_once = PTHREAD_ONCE_INIT;

static void threads_init(void) {
    openblas_set_num_threads(1);
}

static void use_one_thread(void) {
    pthread_once(&threads_once, threads_init);
    omp_set_num_threads(1);
}

static Status faiss_failed(Err *err, const char *what) {
    const char *text = faiss_get_last_error();
    bool memory = strstr(text, "bad_alloc") || strstr(text, "out of memory");
    return err_set(err, memory ? STATUS_NO_MEMORY : STATUS_INTERNAL, "FAISS: %s: %.300s", what,
                   text);
}

/* ---- cleanups of FAISS objects ---- */
static void index_cleanup(FaissIndex **index) {
    if (*index) faiss_Index_free(*index);
}
static void selector_cleanup(FaissIDSelector **selector) {
    if (*selector) faiss_IDSelector_free(*selector);
}
static void parameters_cleanup(FaissSearchParameters **parameters) {
    if (*parameters) faiss_SearchParameters_free(*parameters);
}
static void clustering_cleanup(FaissClustering **clustering) {
    if (*clustering) faiss_Clustering_free(*clustering);
}

/* ---- lifecycle ---- */

/* Consumes index on success. */
static Status vectors_wrap(FaissIndex *index, size_t dim, VectorsKind kind, size_t n_lists,
                           Vectors **ret, Err *err) {
    Vectors *v = mem_alloc(1, sizeof *v);
    if (!v) return err_set(err, STATUS_NO_MEMORY, "out of memory for vectors");
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    /* A stream of searches must not keep a commit waiting. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&v->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    v->index = index;
    v->dim = dim;
    v->kind = kind;
    v->n_lists = n_lists;
    *ret = v;
    return STATUS_OK;
}

Status vectors_new_flat(size_t dim, Vectors **ret, Err *err) {
    use_one_thread();
    CLEANUP(index_cleanup) FaissIndex *flat = NULL, *map = NULL;
    if (faiss_IndexFlat_new_with(&flat, (idx_t)dim, METRIC_INNER_PRODUCT) ||
        faiss_IndexIDMap2_new(&map, flat)) {
        return faiss_failed(err, "new flat index");
    }
    faiss_IndexIDMap2_set_own_fields(map, 1);
    flat = NULL; /* the map's now */
    TRY(vectors_wrap(map, dim, VECTORS_FLAT, 0, ret, err));
    map = NULL;
    return STATUS_OK;
}

size_t vectors_lists_for(size_t n) {
    size_t lists = (size_t)(4 * sqrt((double)n));
    return MIN(MAX(lists, MIN_LISTS), MAX_LISTS);
}

/* Centroids into the quantizer, an empty flat index. Few rounds on a bounded sample: the lists need
 * not be perfect, only even, and a start must not wait for them. */
static Status train_centroids(FaissIndex *quantizer, size_t dim, size_t n_lists,
                              const float *sample, size_t n_sample, Err *err) {
    FaissClusteringParameters parameters;
    faiss_ClusteringParameters_init(&parameters);
    parameters.niter = CLUSTER_ROUNDS;
    parameters.spherical = 1;
    parameters.min_points_per_centroid = 1; /* no warnings on stderr */
    parameters.max_points_per_centroid = VECTORS_SAMPLE_PER_LIST;
    parameters.seed = 1234;
    CLEANUP(clustering_cleanup) FaissClustering *clustering = NULL;
    if (faiss_Clustering_new_with_params(&clustering, (int)dim, (int)n_lists, &parameters) ||
        faiss_Clustering_train(clustering, (idx_t)n_sample, sample, quantizer)) {
        return faiss_failed(err, "clustering");
    }
    return STATUS_OK;
}

Status vectors_new_ivf(size_t dim, size_t n_expected, const float *sample, size_t n_sample,
                       Vectors **ret, Err *err) {
    use_one_thread();
    if (n_sample < VECTORS_MIN_SAMPLE) {
        return err_set(err, STATUS_INVALID, "%zu vectors are too few to train on", n_sample);
    }
    size_t n_lists = MIN(vectors_lists_for(n_expected), n_sample / 4);
    CLEANUP(index_cleanup) FaissIndex *quantizer = NULL, *ivf = NULL;
    if (faiss_IndexFlat_new_with(&quantizer, (idx_t)dim, METRIC_INNER_PRODUCT)) {
        return faiss_failed(err, "new quantizer");
    }
    TRY(train_centroids(quantizer, dim, n_lists, sample, n_sample, err));
    if (faiss_IndexIVFScalarQuantizer_new_with_metric(&ivf, quantizer, dim, n_lists, QT_8bit,
                                                      METRIC_INNER_PRODUCT, 0)) {
        return faiss_failed(err, "new inverted lists");
    }
    faiss_IndexIVFScalarQuantizer_set_own_fields(ivf, 1);
    quantizer = NULL; /* the lists' now */
    if (faiss_Index_train(ivf, (idx_t)n_sample, sample)) return faiss_failed(err, "training");
    TRY(vectors_wrap(ivf, dim, VECTORS_IVF, n_lists, ret, err));
    ivf = NULL;
    return STATUS_OK;
}

Vectors *vectors_free(Vectors *v) {
    if (!v) return NULL;
    faiss_Index_free(v->index);
    pthread_rwlock_destroy(&v->lock);
    free(v);
    return NULL;
}

/* ---- queries ---- */

VectorsKind vectors_kind(const Vectors *v) {
    return v->kind;
}

size_t vectors_dim(const Vectors *v) {
    return v->dim;
}

size_t vectors_lists(const Vectors *v) {
    return v->n_lists;
}

size_t vectors_count(Vectors *v) {
    pthread_rwlock_rdlock(&v->lock);
    size_t n = (size_t)faiss_Index_ntotal(v->index);
    pthread_rwlock_unlock(&v->lock);
    return n;
}

/* A scope that is the n-th part of all needs n times the probes to see as many candidates. */
static size_t probes_for(const Vectors *v, size_t probes, const VectorsScope *scope, size_t n) {
    if (probes == 0) probes = MAX(MIN_PROBES, v->n_lists / PROBE_RATIO);
    if (scope && scope->bitmap) {
        if (scope->n_ids <= SMALL_SCOPE) return v->n_lists;
        size_t share = n / scope->n_ids + 1;
        if (share > v->n_lists / probes) return v->n_lists;
        probes *= share;
    }
    return MIN(probes, v->n_lists);
}

static Status new_selector(const uint8_t *bitmap, size_t n_bytes, FaissIDSelector **ret, Err *err) {
    FaissIDSelectorBitmap *selector = NULL;
    if (faiss_IDSelectorBitmap_new(&selector, n_bytes, bitmap)) return faiss_failed(err, "filter");
    *ret = (FaissIDSelector *)selector;
    return STATUS_OK;
}

/* IDMap2 of 1.7.3 takes no search parameters, the flat index inside does: so the filter and the
 * answer are translated between ids and positions here. */
static Status search_flat_locked(const Vectors *v, const float *query, size_t k,
                                 const VectorsScope *scope, float *scores, idx_t *labels,
                                 Err *err) {
    idx_t *ids = NULL;
    size_t n = 0;
    faiss_IndexIDMap2_id_map((FaissIndexIDMap2 *)v->index, &ids, &n);
    AUTO_FREE uint8_t *positions = NULL;
    CLEANUP(selector_cleanup) FaissIDSelector *selector = NULL;
    CLEANUP(parameters_cleanup) FaissSearchParameters *parameters = NULL;
    if (scope && scope->bitmap) {
        positions = mem_alloc(n / 8 + 1, 1);
        if (!positions) return err_set(err, STATUS_NO_MEMORY, "out of memory for a search");
        for (size_t i = 0; i < n; i++) {
            size_t byte = (size_t)ids[i] / 8;
            bool in = byte < scope->n_bytes && scope->bitmap[byte] >> (ids[i] % 8) & 1;
            positions[i / 8] |= (uint8_t)((unsigned)in << (i % 8));
        }
        TRY(new_selector(positions, n / 8 + 1, &selector, err));
        if (faiss_SearchParameters_new(&parameters, selector)) return faiss_failed(err, "filter");
    }
    if (faiss_Index_search_with_params(faiss_IndexIDMap2_sub_index((FaissIndexIDMap2 *)v->index), 1,
                                       query, (idx_t)k, parameters, scores, labels)) {
        return faiss_failed(err, "search");
    }
    for (size_t i = 0; i < k; i++) {
        if (labels[i] >= 0) labels[i] = ids[labels[i]];
    }
    return STATUS_OK;
}

static Status search_ivf_locked(const Vectors *v, const float *query, size_t k, size_t probes,
                                const VectorsScope *scope, float *scores, idx_t *labels, Err *err) {
    CLEANUP(selector_cleanup) FaissIDSelector *selector = NULL;
    CLEANUP(parameters_cleanup) FaissSearchParameters *parameters = NULL;
    if (scope && scope->bitmap) {
        TRY(new_selector(scope->bitmap, scope->n_bytes, &selector, err));
    }
    size_t n = (size_t)faiss_Index_ntotal(v->index);
    if (faiss_SearchParametersIVF_new_with(&parameters, selector, probes_for(v, probes, scope, n),
                                           0) ||
        faiss_Index_search_with_params(v->index, 1, query, (idx_t)k, parameters, scores, labels)) {
        return faiss_failed(err, "search");
    }
    return STATUS_OK;
}

Status vectors_search(Vectors *v, const float *query, size_t k, size_t probes,
                      const VectorsScope *scope, VectorsHit *ret, size_t *ret_n, Err *err) {
    use_one_thread();
    if (k == 0 || (scope && scope->bitmap && scope->n_ids == 0)) {
        *ret_n = 0;
        return STATUS_OK;
    }
    AUTO_FREE float *scores = mem_alloc(k, sizeof *scores);
    AUTO_FREE idx_t *labels = mem_alloc(k, sizeof *labels);
    if (!scores || !labels) return err_set(err, STATUS_NO_MEMORY, "out of memory for a search");
    pthread_rwlock_rdlock(&v->lock);
    Status status = v->kind == VECTORS_FLAT
                        ? search_flat_locked(v, query, k, scope, scores, labels, err)
                        : search_ivf_locked(v, query, k, probes, scope, scores, labels, err);
    pthread_rwlock_unlock(&v->lock);
    TRY(status);
    size_t n = 0;
    for (size_t i = 0; i < k && labels[i] >= 0; i++) {
        ret[n++] = (VectorsHit){ labels[i], scores[i] };
    }
    *ret_n = n;
    return STATUS_OK;
}

static int compare_ids(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void copy_ids_locked(const Vectors *v, idx_t *ids) {
    if (v->kind == VECTORS_FLAT) {
        idx_t *map = NULL;
        size_t n = 0;
        faiss_IndexIDMap2_id_map(faiss_IndexIDMap2_cast(v->index), &map, &n);
        if (n) memcpy(ids, map, n * sizeof *ids);
        return;
    }
    const FaissIndexIVF *ivf = faiss_IndexIVF_cast(v->index);
    for (size_t list = 0; list < v->n_lists; list++) {
        size_t n = faiss_IndexIVF_get_list_size(ivf, list);
        if (n == 0) continue;
        faiss_IndexIVF_invlists_get_ids(ivf, list, ids);
        ids += n;
    }
}

Status vectors_ids(Vectors *v, int64_t **ret, size_t *ret_n, Err *err) {
    pthread_rwlock_rdlock(&v->lock);
    size_t n = (size_t)faiss_Index_ntotal(v->index);
    int64_t *ids = mem_alloc(n, sizeof *ids);
    if (ids) copy_ids_locked(v, ids);
    pthread_rwlock_unlock(&v->lock);
    if (!ids) return err_set(err, STATUS_NO_MEMORY, "out of memory for %zu ids", n);
    qsort(ids, n, sizeof *ids, compare_ids);
    *ret = ids;
    *ret_n = n;
    return STATUS_OK;
}

/* ---- changes ---- */

Status vectors_add(Vectors *v, const int64_t *ids, const float *x, size_t n, Err *err) {
    use_one_thread();
    if (n == 0) return STATUS_OK;
    pthread_rwlock_wrlock(&v->lock);
    int failed = faiss_Index_add_with_ids(v->index, (idx_t)n, x, ids);
    pthread_rwlock_unlock(&v->lock);
    return failed ? faiss_failed(err, "add") : STATUS_OK;
}

Status vectors_remove(Vectors *v, const int64_t *ids, size_t n, Err *err) {
    use_one_thread();
    if (n == 0) return STATUS_OK;
    FaissIDSelectorBatch *batch = NULL;
    if (faiss_IDSelectorBatch_new(&batch, n, ids)) return faiss_failed(err, "set of ids");
    CLEANUP(selector_cleanup) FaissIDSelector *selector = (FaissIDSelector *)batch;
    size_t n_removed = 0;
    pthread_rwlock_wrlock(&v->lock);
    int failed = faiss_Index_remove_ids(v->index, selector, &n_removed);
    pthread_rwlock_unlock(&v->lock);
    return failed ? faiss_failed(err, "remove") : STATUS_OK;
}

/* ---- files ---- */

Status vectors_write(Vectors *v, FILE *file, Err *err) {
    use_one_thread();
    pthread_rwlock_rdlock(&v->lock);
    int failed = faiss_write_index(v->index, file);
    pthread_rwlock_unlock(&v->lock);
    return failed ? faiss_failed(err, "write") : STATUS_OK;
}

Status vectors_read(FILE *file, size_t dim, VectorsKind kind, Vectors **ret, Err *err) {
    use_one_thread();
    CLEANUP(index_cleanup) FaissIndex *index = NULL;
    if (faiss_read_index(file, 0, &index)) return faiss_failed(err, "read");
    FaissIndexIVF *ivf = faiss_IndexIVF_cast(index);
    bool right = kind == VECTORS_IVF ? ivf != NULL : faiss_IndexIDMap2_cast(index) != NULL;
    if (!right || (size_t)faiss_Index_d(index) != dim || !faiss_Index_is_trained(index)) {
        return err_set(err, STATUS_DAMAGED, "not the vectors that the header tells of");
    }
    TRY(vectors_wrap(index, dim, kind, ivf ? faiss_IndexIVF_nlist(ivf) : 0, ret, err));
    index = NULL;
    return STATUS_OK;
}
