// The deepest expression that is parsed at all fits the stack that analysing threads are given, on the
// way through libpg_query, protobuf and the walk; longer text is not parsed.
#include "compare/sql/analysis.h"
#include "compare/sql/catalog_build.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const char *start, *link;
    size_t length;
    struct analysis *analysis;
};

static void *
analyse(void *context)
{
    struct job *job = context;
    char *sql = calloc(1, job->length + 1);
    size_t used = strlen(job->start), link = strlen(job->link);
    memcpy(sql, job->start, used);
    for (; used + link <= job->length; used += link)
        memcpy(sql + used, job->link, link);
    memset(sql + used, ' ', job->length - used);
    struct catalog_build *build = catalog_build_new();
    struct catalog *catalog = catalog_build_finish(&build);
    struct analysis_context analysis = {.old_catalog = catalog, .new_catalog = catalog};
    job->analysis = analysis_new(sql, job->length, &analysis);
    catalog_unref(&catalog);
    free(sql);
    analysis_thread_end();
    return NULL;
}

static void
run(struct job *job)
{
    pthread_attr_t attributes;
    pthread_t thread;
    cr_assert_eq(pthread_attr_init(&attributes), 0);
    cr_assert_eq(pthread_attr_setstacksize(&attributes, ANALYSIS_STACK), 0);
    cr_assert_eq(pthread_create(&thread, &attributes, analyse, job), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attributes);
    cr_assert_not_null(job->analysis);
}

Test(analysis, parses_the_deepest_expression_that_it_takes)
{
    static const char *const chains[][2] = {
        {"SELECT 1", "+1"}, {"SELECT a", "::a"}, {"SELECT 1", " UNION SELECT 1"}};
    for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
        struct job job = {chains[i][0], chains[i][1], ANALYSIS_MAX_SQL - 1, NULL};
        run(&job);
        cr_expect_neq(job.analysis->skip, SKIP_UNPARSED, "%s%s", chains[i][0], chains[i][1]);
        cr_expect(job.analysis->is_read);
        cr_expect_str_neq(job.analysis->fingerprint, "");
        cr_expect(strlen(job.analysis->query) <= 8 * 1024);
        analysis_unref(&job.analysis);
    }
}

Test(analysis, does_not_parse_what_is_longer)
{
    struct job job = {"SELECT 1", " + 1", ANALYSIS_MAX_SQL, NULL};
    run(&job);
    cr_expect_eq(job.analysis->skip, SKIP_UNPARSED);
    cr_expect(job.analysis->is_read);
    cr_expect_not(job.analysis->is_harmless);
    analysis_unref(&job.analysis);
}
