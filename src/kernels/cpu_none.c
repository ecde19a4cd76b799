/* A processor that this program has no kernels of its own for. */
#include "kernels/kernels_internal.h"

unsigned kernels_cpu_sets(void) {
    return KERNELS_REF;
}
