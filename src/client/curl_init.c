#include "client/curl_init.h"

#include <curl/curl.h>
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode result;

static void init_once(void) {
    result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

Status client_init_curl(Err *err) {
    pthread_once(&once, init_once);
    if (result == CURLE_OK) return STATUS_OK;
    return err_set(err, STATUS_INTERNAL, "libcurl: %s", curl_easy_strerror(result));
}
