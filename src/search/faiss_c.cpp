/* The functions of FAISS's C API that Fonte uses, over the C++ library, where no libfaiss_c is
 * installed. Nothing is added: each is the one call behind it, and an exception becomes an error
 * code (-2 FAISS's own, -4 the standard library's, -1 any other) with its text kept for the thread.
 * Source: the official headers, which this file is checked against by including them. */
#include "search/faiss_c.h"

#include <exception>
#include <new>
#include <string>

#include <faiss/Clustering.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/IDSelector.h>
#include <faiss/index_io.h>
#include <faiss/invlists/InvertedLists.h>

namespace {

/* A fixed buffer: keeping the text must not throw where memory is what ran out. */
thread_local char last_error[512];

void keep(const char *text) {
    snprintf(last_error, sizeof last_error, "%s", text);
}

template <typename Call> int guarded(Call &&call) {
    try {
        call();
        return 0;
    } catch (const faiss::FaissException &e) {
        keep(e.what());
        return -2;
    } catch (const std::bad_alloc &) {
        keep("out of memory");
        return -4;
    } catch (const std::exception &e) {
        keep(e.what());
        return -4;
    } catch (...) {
        keep("unknown exception");
        return -1;
    }
}

template <typename Class, typename Handle> Class *as(Handle *handle) {
    return reinterpret_cast<Class *>(handle);
}
template <typename Class, typename Handle> const Class *as(const Handle *handle) {
    return reinterpret_cast<const Class *>(handle);
}
faiss::Index *index_of(FaissIndex *index) {
    return as<faiss::Index>(index);
}

} // namespace

extern "C" {

const char *faiss_get_last_error() {
    return last_error;
}

/* ---- any index ---- */
void faiss_Index_free(FaissIndex *index) {
    delete index_of(index);
}
int faiss_Index_d(const FaissIndex *index) {
    return as<faiss::Index>(index)->d;
}
int faiss_Index_is_trained(const FaissIndex *index) {
    return as<faiss::Index>(index)->is_trained;
}
idx_t faiss_Index_ntotal(const FaissIndex *index) {
    return as<faiss::Index>(index)->ntotal;
}
FaissMetricType faiss_Index_metric_type(const FaissIndex *index) {
    return static_cast<FaissMetricType>(as<faiss::Index>(index)->metric_type);
}
int faiss_Index_train(FaissIndex *index, idx_t n, const float *x) {
    return guarded([&] { index_of(index)->train(n, x); });
}
int faiss_Index_add(FaissIndex *index, idx_t n, const float *x) {
    return guarded([&] { index_of(index)->add(n, x); });
}
int faiss_Index_add_with_ids(FaissIndex *index, idx_t n, const float *x, const idx_t *xids) {
    return guarded([&] { index_of(index)->add_with_ids(n, x, xids); });
}
int faiss_Index_remove_ids(FaissIndex *index, const FaissIDSelector *sel, size_t *n_removed) {
    return guarded([&] {
        size_t n = index_of(index)->remove_ids(*as<faiss::IDSelector>(sel));
        if (n_removed) *n_removed = n;
    });
}
int faiss_Index_search_with_params(const FaissIndex *index, idx_t n, const float *x, idx_t k,
                                   const FaissSearchParameters *params, float *distances,
                                   idx_t *labels) {
    return guarded([&] {
        as<faiss::Index>(index)->search(n, x, k, distances, labels,
                                        as<faiss::SearchParameters>(params));
    });
}

/* ---- kinds of index ---- */
int faiss_IndexFlat_new_with(FaissIndexFlat **p_index, idx_t d, FaissMetricType metric) {
    return guarded([&] {
        auto *index = new faiss::IndexFlat(d, static_cast<faiss::MetricType>(metric));
        *p_index = reinterpret_cast<FaissIndexFlat *>(index);
    });
}
int faiss_IndexIDMap2_new(FaissIndexIDMap2 **p_index, FaissIndex *index) {
    return guarded([&] {
        auto *map = new faiss::IndexIDMap2(index_of(index));
        *p_index = reinterpret_cast<FaissIndexIDMap2 *>(map);
    });
}
void faiss_IndexIDMap2_set_own_fields(FaissIndexIDMap2 *index, int own) {
    as<faiss::IndexIDMap2>(index)->own_fields = own != 0;
}
FaissIndexIDMap2 *faiss_IndexIDMap2_cast(FaissIndex *index) {
    return reinterpret_cast<FaissIndexIDMap2 *>(
        dynamic_cast<faiss::IndexIDMap2 *>(index_of(index)));
}
void faiss_IndexIDMap2_id_map(FaissIndexIDMap2 *index, idx_t **p_id_map, size_t *p_size) {
    auto &map = as<faiss::IndexIDMap2>(index)->id_map;
    *p_id_map = map.data();
    *p_size = map.size();
}
FaissIndex *faiss_IndexIDMap2_sub_index(FaissIndexIDMap2 *index) {
    return reinterpret_cast<FaissIndex *>(as<faiss::IndexIDMap2>(index)->index);
}
int faiss_IndexIVFScalarQuantizer_new_with_metric(FaissIndexIVFScalarQuantizer **p_index,
                                                  FaissIndex *quantizer, size_t d, size_t nlist,
                                                  FaissQuantizerType qt, FaissMetricType metric,
                                                  int encode_residual) {
    return guarded([&] {
        auto *index = new faiss::IndexIVFScalarQuantizer(
            index_of(quantizer), d, nlist, static_cast<faiss::ScalarQuantizer::QuantizerType>(qt),
            static_cast<faiss::MetricType>(metric), encode_residual != 0);
        *p_index = reinterpret_cast<FaissIndexIVFScalarQuantizer *>(index);
    });
}
void faiss_IndexIVFScalarQuantizer_set_own_fields(FaissIndexIVFScalarQuantizer *index, int own) {
    as<faiss::IndexIVFScalarQuantizer>(index)->own_fields = own != 0;
}
FaissIndexIVF *faiss_IndexIVF_cast(FaissIndex *index) {
    return reinterpret_cast<FaissIndexIVF *>(dynamic_cast<faiss::IndexIVF *>(index_of(index)));
}
size_t faiss_IndexIVF_nlist(const FaissIndexIVF *index) {
    return as<faiss::IndexIVF>(index)->nlist;
}
size_t faiss_IndexIVF_get_list_size(const FaissIndexIVF *index, size_t list_no) {
    return as<faiss::IndexIVF>(index)->invlists->list_size(list_no);
}
void faiss_IndexIVF_invlists_get_ids(const FaissIndexIVF *index, size_t list_no, idx_t *invlist) {
    const faiss::InvertedLists *lists = as<faiss::IndexIVF>(index)->invlists;
    faiss::InvertedLists::ScopedIds ids(lists, list_no);
    memcpy(invlist, ids.get(), lists->list_size(list_no) * sizeof(idx_t));
}

/* ---- clustering ---- */
void faiss_ClusteringParameters_init(FaissClusteringParameters *params) {
    faiss::ClusteringParameters d;
    params->niter = d.niter;
    params->nredo = d.nredo;
    params->verbose = d.verbose;
    params->spherical = d.spherical;
    params->int_centroids = d.int_centroids;
    params->update_index = d.update_index;
    params->frozen_centroids = d.frozen_centroids;
    params->min_points_per_centroid = d.min_points_per_centroid;
    params->max_points_per_centroid = d.max_points_per_centroid;
    params->seed = d.seed;
    params->decode_block_size = d.decode_block_size;
}
int faiss_Clustering_new_with_params(FaissClustering **p_clustering, int d, int k,
                                     const FaissClusteringParameters *cp) {
    return guarded([&] {
        faiss::ClusteringParameters p;
        p.niter = cp->niter;
        p.nredo = cp->nredo;
        p.verbose = cp->verbose != 0;
        p.spherical = cp->spherical != 0;
        p.int_centroids = cp->int_centroids != 0;
        p.update_index = cp->update_index != 0;
        p.frozen_centroids = cp->frozen_centroids != 0;
        p.min_points_per_centroid = cp->min_points_per_centroid;
        p.max_points_per_centroid = cp->max_points_per_centroid;
        p.seed = cp->seed;
        p.decode_block_size = cp->decode_block_size;
        *p_clustering = reinterpret_cast<FaissClustering *>(new faiss::Clustering(d, k, p));
    });
}
int faiss_Clustering_train(FaissClustering *clustering, idx_t n, const float *x,
                           FaissIndex *index) {
    return guarded([&] { as<faiss::Clustering>(clustering)->train(n, x, *index_of(index)); });
}
void faiss_Clustering_free(FaissClustering *clustering) {
    delete as<faiss::Clustering>(clustering);
}

/* ---- sets of ids, search parameters ---- */
void faiss_IDSelector_free(FaissIDSelector *sel) {
    delete as<faiss::IDSelector>(sel);
}
int faiss_IDSelectorBatch_new(FaissIDSelectorBatch **p_sel, size_t n, const idx_t *indices) {
    return guarded([&] {
        auto *sel = new faiss::IDSelectorBatch(n, indices);
        *p_sel = reinterpret_cast<FaissIDSelectorBatch *>(sel);
    });
}
int faiss_IDSelectorBitmap_new(FaissIDSelectorBitmap **p_sel, size_t n, const uint8_t *bitmap) {
    return guarded([&] {
        auto *sel = new faiss::IDSelectorBitmap(n, bitmap);
        *p_sel = reinterpret_cast<FaissIDSelectorBitmap *>(sel);
    });
}
void faiss_SearchParameters_free(FaissSearchParameters *sp) {
    delete as<faiss::SearchParameters>(sp);
}
int faiss_SearchParameters_new(FaissSearchParameters **p_sp, FaissIDSelector *sel) {
    return guarded([&] {
        auto *sp = new faiss::SearchParameters;
        sp->sel = as<faiss::IDSelector>(sel);
        *p_sp = reinterpret_cast<FaissSearchParameters *>(sp);
    });
}
int faiss_SearchParametersIVF_new_with(FaissSearchParametersIVF **p_sp, FaissIDSelector *sel,
                                       size_t nprobe, size_t max_codes) {
    return guarded([&] {
        auto *sp = new faiss::SearchParametersIVF;
        sp->sel = as<faiss::IDSelector>(sel);
        sp->nprobe = nprobe;
        sp->max_codes = max_codes;
        faiss::SearchParameters *base = sp;
        *p_sp = reinterpret_cast<FaissSearchParametersIVF *>(base);
    });
}

/* ---- files ---- */
int faiss_write_index(const FaissIndex *idx, FILE *f) {
    return guarded([&] { faiss::write_index(as<faiss::Index>(idx), f); });
}
int faiss_read_index(FILE *f, int io_flags, FaissIndex **p_out) {
    return guarded(
        [&] { *p_out = reinterpret_cast<FaissIndex *>(faiss::read_index(f, io_flags)); });
}

} // extern "C"
