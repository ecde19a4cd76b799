/* A processor that this program has no kernels of its own for. */
#include "kernels/kernels_internal.h"

KernelsCpu kernels_cpu(void) {
    return (KernelsCpu){ .sets = KERNELS_REF };
}
