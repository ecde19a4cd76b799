#pragma once
/* The routes of the API as one table, and finding the one that a request wants.
 * Threads: any. Errors: none. */
#include "http/server.h"

typedef struct Daemon Daemon;

typedef enum RouteBody { ROUTE_NO_BODY, ROUTE_JSON, ROUTE_DOCUMENT } RouteBody;

typedef struct Route {
    HttpMethod method; /* GET serves HEAD too */
    const char *path;  /* "/v1/documents/{id}": {x} stands for one segment */
    RouteBody body;
    bool admin;         /* only for [access] admin */
    const char *params; /* names of query parameters, parted by spaces */
    void (*handle)(Daemon *daemon, HttpRequest *request);
} Route;

extern const Route route_table[];
extern const size_t route_n;

/* NULL where no route has this path (ret_allow "") or none has it with this method (ret_allow: the
 * methods that it has, for Allow). */
const Route *route_find(HttpMethod method, const HttpTarget *target, char ret_allow[64]);
/* Is name one of the route's query parameters? */
bool route_has_param(const Route *route, const char *name);
/* A Content-Type that documents may have. */
bool route_takes_document_type(const char *content_type);
/* The media type without its parameters equals `type`. */
bool route_type_is(const char *content_type, const char *type);

/* route_completions.c */
void route_chat_completions(Daemon *daemon, HttpRequest *request);
void route_completions(Daemon *daemon, HttpRequest *request);
/* route_model.c */
void route_model_choose(Daemon *daemon, HttpRequest *request);
/* route_models.c */
void route_models(Daemon *daemon, HttpRequest *request);
void route_model(Daemon *daemon, HttpRequest *request);
void route_embeddings(Daemon *daemon, HttpRequest *request);
/* route_documents.c */
void route_documents_add(Daemon *daemon, HttpRequest *request);
void route_documents_list(Daemon *daemon, HttpRequest *request);
void route_document_get(Daemon *daemon, HttpRequest *request);
void route_document_text(Daemon *daemon, HttpRequest *request);
void route_document_original(Daemon *daemon, HttpRequest *request);
void route_document_put(Daemon *daemon, HttpRequest *request);
void route_document_delete(Daemon *daemon, HttpRequest *request);
/* route_ask.c */
void route_ask(Daemon *daemon, HttpRequest *request);
void route_search(Daemon *daemon, HttpRequest *request);
/* route_answers.c */
void route_answer_get(Daemon *daemon, HttpRequest *request);
void route_answer_replay(Daemon *daemon, HttpRequest *request);
/* route_conversations.c */
void route_conversation_get(Daemon *daemon, HttpRequest *request);
void route_conversation_delete(Daemon *daemon, HttpRequest *request);
/* route_status.c */
void route_collections(Daemon *daemon, HttpRequest *request);
void route_jobs(Daemon *daemon, HttpRequest *request);
void route_job(Daemon *daemon, HttpRequest *request);
void route_status(Daemon *daemon, HttpRequest *request);
void route_health(Daemon *daemon, HttpRequest *request);
void route_metrics(Daemon *daemon, HttpRequest *request);
