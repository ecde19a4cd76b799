/* Races on purpose; meson expects this program to fail in a build with ThreadSanitizer. */
#include <pthread.h>

static int raced;

static void *add(void *context) {
    for (int i = 0; i < 1000; i++) raced++;
    return context;
}

int main(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, add, NULL) != 0) return 0; /* is seen as no failure */
    }
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    return 0;
}
