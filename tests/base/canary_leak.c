/* Leaks on purpose; meson expects this program to fail in a build with sanitizers. */
#include <stdlib.h>

int main(void) {
    void *volatile leaked = malloc(64);
    leaked = NULL;
    return leaked != NULL;
}
