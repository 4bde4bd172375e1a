// The paths of the HTTP interface, one table. Runs on the HTTP thread; changes wait for the reporter thread.
#include "proxy/report/http_page.h"
#include "proxy/console/console.h"
#include "proxy/report/answer_json.h"
#include "proxy/report/metrics.h"
#include "proxy/report/reporter.h"
#include "proxy/report/view.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char TEXT[] = "text/plain; charset=utf-8";
static const char METRICS[] = "text/plain; version=0.0.4; charset=utf-8";
static const char JSON[] = "application/json";

enum { EVENTS_SHOWN = 500 };

static void __attribute__((format(printf, 3, 4)))
say(struct http_page *page, unsigned status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    page->status = status;
    page->content_type = TEXT;

    int length = vasprintf(&page->body, format, arguments);

    va_end(arguments);
    if (length < 0)
        page->body = NULL;
    else
        page->length = (size_t)length;
}

static void
give_json(struct http_page *page, unsigned status, json_t *json)
{
    page->status = status;
    page->content_type = JSON;
    page->body = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));
    page->length = page->body == NULL ? 0 : strlen(page->body);
    json_decref(json);
}

static void
metrics_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    struct pictures pictures;

    (void)rest;
    pictures_take(request->instance, PICTURE_BOOKS, &pictures);
    page->status = 200;
    page->content_type = METRICS;
    page->body = metrics_text(&pictures, &page->length);
    pictures_fini(&pictures);
}

static void
health_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    (void)request;
    (void)rest;
    say(page, 200, "ok\n");
}

// Ready: not stopping, and some database's old is up, so that clients can be served.
static void
readiness_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    struct pictures pictures;
    bool is_served;

    (void)rest;
    pictures_take(request->instance, PICTURE_BOOKS, &pictures);
    is_served = pictures.count == 0; // '*' alone: nothing has been asked for yet
    for (size_t i = 0; i < pictures.count; i++)
        is_served |= pictures.list[i].is_up[SIDE_OLD];
    pictures_fini(&pictures);
    if (atomic_load(&request->instance->is_stopping))
        say(page, 503, "not ready: shutting down\n");
    else if (!is_served)
        say(page, 503, "not ready: no database's old side can be reached\n");
    else
        say(page, 200, "ready\n");
}

static void
view_page(const struct http_request *request, const struct view *view, struct http_page *page)
{
    struct pictures pictures;
    struct answer answer;

    answer_init(&answer, &view->shape);
    pictures_take(request->instance, view->depth, &pictures);
    view->fill(&answer, &pictures);
    give_json(page, 200, answer.failed || pictures.failed ? NULL : answer_to_json(&answer));
    pictures_fini(&pictures);
    answer_fini(&answer);
}

static void
status_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    (void)rest;
    view_page(request, &view_status, page);
}

static void
queries_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    (void)rest;
    view_page(request, &view_queries, page);
}

static void
tables_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    (void)rest;
    view_page(request, &view_tables, page);
}

static void
skipped_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    (void)rest;
    view_page(request, &view_skipped, page);
}

static void
mismatches_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    (void)rest;
    view_page(request, &view_mismatches, page);
}

static void
mismatch_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    struct pictures pictures;
    struct answer answer;
    char *end;
    uint64_t id = strtoull(rest, &end, 10);

    answer_init(&answer, &view_mismatch_shape);
    pictures_take(request->instance, PICTURE_EVIDENCE, &pictures);
    if (end != rest && *end == '\0')
        view_mismatch(&answer, &pictures, id);
    if (answer_rows(&answer) == 1)
        give_json(page, 200, answer_row_to_json(&answer, 0));
    else
        say(page, 404, "there is no such mismatch\n");
    pictures_fini(&pictures);
    answer_fini(&answer);
}

static void
events_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    struct answer answer;

    (void)rest;
    answer_init(&answer, &view_events_shape);
    reporter_events(request->instance->reporter, EVENTS_SHOWN, view_event, &answer);
    give_json(page, 200, answer.failed ? NULL : answer_to_json(&answer));
    answer_fini(&answer);
}

// Changes: a console command, run and waited for.

struct errand {
    struct console_run run;
    pthread_mutex_t lock;
    pthread_cond_t done;
    bool is_done;
};

static void
tell_done(void *context)
{
    struct errand *errand = context;

    pthread_mutex_lock(&errand->lock);
    errand->is_done = true;
    pthread_cond_signal(&errand->done);
    pthread_mutex_unlock(&errand->lock);
}

static void
run_command(const struct http_request *request, const char *command, const char *const *values,
            size_t count, struct http_page *page)
{
    struct console_call call;
    struct console_error error;
    struct errand errand = {.run = {.instance = request->instance, .call = &call, .actor = "http"},
                            .lock = PTHREAD_MUTEX_INITIALIZER,
                            .done = PTHREAD_COND_INITIALIZER};

    if (!console_parse(command, strlen(command), &call, &error) ||
        !console_call_bind(&call, values, count)) {
        console_call_fini(&call);
        return; // no memory
    }
    console_start(&errand.run, tell_done, &errand);
    pthread_mutex_lock(&errand.lock);
    while (!errand.is_done)
        pthread_cond_wait(&errand.done, &errand.lock);
    pthread_mutex_unlock(&errand.lock);
    answer_fini(&errand.run.answer);
    console_call_fini(&call);

    const struct console_error *said = &errand.run.error;

    if (said->sqlstate[0] == '\0')
        give_json(page, 200,
                  errand.run.notice.sqlstate[0] == '\0'
                      ? json_pack("{s:b}", "ok", 1)
                      : json_pack("{s:b, s:s}", "ok", 1, "warning", errand.run.notice.message));
    else
        give_json(page,
                  strcmp(said->sqlstate, "3D000") == 0    ? 404
                  : strncmp(said->sqlstate, "22", 2) == 0 ? 400
                  : strcmp(said->sqlstate, "55000") == 0  ? 409
                                                          : 500,
                  json_pack("{s:s, s:s, s:s}", "sqlstate", said->sqlstate, "error", said->message,
                            "hint", said->hint));
}

// {"percent": 5} as text for SET. False: it is not that.
static bool
percent_of(const char *body, char text[32])
{
    json_t *json = body == NULL ? NULL : json_loads(body, 0, NULL);
    json_t *percent = json_object_get(json, "percent");
    bool ok = json_is_number(percent);

    if (ok)
        snprintf(text, 32, "%.15g", json_number_value(percent));
    json_decref(json);
    return ok;
}

// databases/D/canary and databases/D/rollback; `rest` is D/…
static void
database_page(const struct http_request *request, const char *rest, struct http_page *page)
{
    const char *slash = strrchr(rest, '/');
    char name[256];
    char percent[32];
    const char *values[] = {name, percent};

    if (slash == NULL || (size_t)(slash - rest) >= sizeof name) {
        say(page, 404, "there is no such page\n");
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)(slash - rest), rest);
    if (strcmp(slash, "/canary") == 0 && strcmp(request->method, "PUT") == 0) {
        if (percent_of(request->body, percent))
            run_command(request, "ALTER DATABASE $1 SET canary_percent = $2", values, 2, page);
        else
            say(page, 400, "expected {\"percent\": number}\n");
    } else if (strcmp(slash, "/rollback") == 0 && strcmp(request->method, "POST") == 0) {
        run_command(request, "ROLLBACK CANARY $1", values, 1, page);
    } else if (strcmp(slash, "/canary") == 0 || strcmp(slash, "/rollback") == 0) {
        say(page, 405, "use %s\n", slash[1] == 'c' ? "PUT" : "POST");
        page->allow = slash[1] == 'c' ? "PUT" : "POST";
    } else {
        say(page, 404, "there is no such page\n");
    }
}

static const struct path {
    const char *prefix;
    bool has_rest;  // something follows the prefix
    bool is_open;   // to everyone
    bool is_change; // not GET alone
    void (*make)(const struct http_request *request, const char *rest, struct http_page *page);
} paths[] = {
    {"/metrics", false, true, false, metrics_page},
    {"/healthz", false, true, false, health_page},
    {"/readyz", false, true, false, readiness_page},
    {"/api/v1/status", false, false, false, status_page},
    {"/api/v1/queries", false, false, false, queries_page},
    {"/api/v1/mismatches", false, false, false, mismatches_page},
    {"/api/v1/mismatches/", true, false, false, mismatch_page},
    {"/api/v1/tables", false, false, false, tables_page},
    {"/api/v1/skipped", false, false, false, skipped_page},
    {"/api/v1/events", false, false, false, events_page},
    {"/api/v1/databases/", true, false, true, database_page},
};

static const struct path *
path_of(const char *asked)
{
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        size_t length = strlen(paths[i].prefix);

        if (strncmp(asked, paths[i].prefix, length) == 0 &&
            (asked[length] != '\0') == paths[i].has_rest)
            return &paths[i];
    }
    return NULL;
}

void
http_page_make(const struct http_request *request, struct http_page *page)
{
    const struct path *path = path_of(request->path);
    bool is_get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;

    if (path == NULL && request->access != HTTP_STRANGER) {
        say(page, 404, "there is no such page\n");
    } else if (path != NULL && !path->is_open && request->access == HTTP_NO_TOKEN) {
        say(page, 404, "without http.token only /metrics, /healthz and /readyz are served\n");
    } else if (path == NULL || (!path->is_open && request->access == HTTP_STRANGER)) {
        say(page, 401, "the token is missing or wrong: Authorization: Bearer TOKEN\n");
    } else if (!path->is_change && !is_get) {
        say(page, 405, "use GET\n");
        page->allow = "GET, HEAD";
    } else if (request->body == NULL) {
        say(page, 413, "the body is too big\n");
    } else {
        path->make(request, request->path + strlen(path->prefix), page);
    }
}
