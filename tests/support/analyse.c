// analyse CONNINFO...: reads the catalogs of a server, then statements from standard input, one a line,
// and prints for each the reason for which it is skipped ("-": none) and whether it is harmless.
// Of several servers the last one's are used; what initdb made is kept between the readings.
#include "compare/sql/analysis.h"
#include "proxy/control/catalog_load.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
analyse_lines(void *context)
{
    struct catalog *catalog = context;
    struct analysis_context analysis_context = {.old_catalog = catalog, .new_catalog = catalog};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        size_t size = strcspn(line, "\n");
        struct analysis *analysis = analysis_new(line, size, &analysis_context);
        if (analysis == NULL)
            abort();
        printf("%s %s%s\n", analysis->skip == SKIP_NONE ? "-" : skip_reason_name(analysis->skip),
               analysis->is_harmless ? "harmless" : "harmful",
               analysis->needs_catalog ? " unknown" : "");
        analysis_unref(&analysis);
    }
    free(line);
    analysis_thread_end();
    return NULL;
}

// NULL: said why.
static struct catalog *
load(const char *connection_string, struct builtin_catalogs *kept)
{
    struct catalog *catalog = NULL;
    char error[512] = "";
    PGconn *connection = PQconnectdb(connection_string);
    if (PQstatus(connection) != CONNECTION_OK ||
        catalog_load(connection, kept, &catalog, error, sizeof(error)) != CATALOG_LOADED)
        fprintf(stderr, "%s%s\n", PQerrorMessage(connection), error);
    PQfinish(connection);
    return catalog;
}

int
main(int argc, char **argv)
{
    struct builtin_catalogs *kept = builtin_catalogs_new();
    struct catalog *catalog = NULL;
    for (int i = 1; i < argc; i++) {
        catalog_unref(&catalog);
        catalog = load(argv[i], kept);
        if (catalog == NULL)
            return 2;
    }
    builtin_catalogs_free(&kept);
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setstacksize(&attributes, ANALYSIS_STACK) != 0 ||
        pthread_create(&thread, &attributes, analyse_lines, catalog) != 0)
        return 2;
    (void)pthread_join(thread, NULL);
    (void)pthread_attr_destroy(&attributes);
    catalog_unref(&catalog);
    return 0;
}
