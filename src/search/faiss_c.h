#pragma once
/* The part of FAISS's official C API that Fonte uses. Debian ships the headers of 1.7.3 but no
 * compiled C API: where the linker finds no libfaiss_c, faiss_c.cpp provides these functions over
 * libfaiss. Search parameters (a filter, probes per query) are in the C++ library of 1.7.3 but
 * came to the C API later: where the headers lack them they are declared here, with the
 * signatures that later versions have.
 * Threads: as FAISS: searches side by side, changes alone. faiss_get_last_error is the calling
 * thread's. Source: https://github.com/facebookresearch/faiss/tree/main/c_api */
#include <stdio.h>

#include <faiss/c_api/Clustering_c.h>
#include <faiss/c_api/IndexFlat_c.h>
#include <faiss/c_api/IndexIVF_c.h>
#include <faiss/c_api/IndexScalarQuantizer_c.h>
#include <faiss/c_api/Index_c.h>
#include <faiss/c_api/MetaIndexes_c.h>
#include <faiss/c_api/error_c.h>
#include <faiss/c_api/impl/AuxIndexStructures_c.h>
#include <faiss/c_api/index_io_c.h>

#if !FONTE_FAISS_HAS_PARAMETERS
#ifdef __cplusplus
extern "C" {
#endif
FAISS_DECLARE_CLASS(SearchParameters)
FAISS_DECLARE_DESTRUCTOR(SearchParameters)
int faiss_SearchParameters_new(FaissSearchParameters **p_sp, FaissIDSelector *sel);
FAISS_DECLARE_CLASS_INHERITED(SearchParametersIVF, SearchParameters)
int faiss_SearchParametersIVF_new_with(FaissSearchParametersIVF **p_sp, FaissIDSelector *sel,
                                       size_t nprobe, size_t max_codes);
int faiss_Index_search_with_params(const FaissIndex *index, idx_t n, const float *x, idx_t k,
                                   const FaissSearchParameters *params, float *distances,
                                   idx_t *labels);
FAISS_DECLARE_CLASS(IDSelectorBitmap)
FAISS_DECLARE_DESTRUCTOR(IDSelectorBitmap)
int faiss_IDSelectorBitmap_new(FaissIDSelectorBitmap **p_sel, size_t n, const uint8_t *bitmap);
#ifdef __cplusplus
}
#endif
#endif

/* OpenMP (libgomp) and OpenBLAS, which FAISS runs on: clang has no omp.h of libgomp's, and Debian's
 * cblas.h is one of several. Source: OpenMP 4.5, section 3.2.1; OpenBLAS cblas.h. */
#ifdef __cplusplus
extern "C" {
#endif
void omp_set_num_threads(int n_threads);
void openblas_set_num_threads(int n_threads);
#ifdef __cplusplus
}
#endif
