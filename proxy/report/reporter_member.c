// This proxy as the others of its fleet see it. Who is in a cohort is decided by key and salt; salts are configuration,
// not to be read by whoever reads the store, so that only digests of them go there. A RELOAD asks here first.
#include "proxy/report/reporter_state.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

static const char *const keys[] = {
    [COHORT_SESSION] = "session",
    [COHORT_USER] = "user",
    [COHORT_APPLICATION_NAME] = "application_name",
    [COHORT_CLIENT_ADDR] = "client_addr",
    [COHORT_PARAMETER] = "parameter:",
    [COHORT_COMMENT] = "comment:",
};

static bool
cohort_init(struct store_cohort *cohort, const struct configuration_database *entry)
{
    const struct configuration_canary *canary = &entry->canary;
    char key[256];

    snprintf(key, sizeof key, "%s%s", keys[canary->key],
             canary->key_name == NULL ? "" : canary->key_name);
    cohort->database = strdup(entry->name);
    cohort->key = strdup(key);
    snprintf(cohort->salt, sizeof cohort->salt, "%016" PRIx64,
             (uint64_t)XXH3_64bits(canary->salt, strlen(canary->salt)));
    return cohort->database != NULL && cohort->key != NULL;
}

bool
member_init(struct store_member *member, const struct configuration *configuration,
            const char *instance)
{
    char host[256] = "";
    bool ok = true;

    *member = (struct store_member){
        .cohorts = calloc(configuration->database_count + 1, sizeof *member->cohorts)};
    if (member->cohorts == NULL)
        return false;
    (void)gethostname(host, sizeof host - 1);
    snprintf(member->instance, sizeof member->instance, "%s", instance);
    snprintf(member->name, sizeof member->name, "%s:%u", host, configuration->listen.port);
    for (size_t i = 0; i < configuration->database_count; i++)
        ok &= cohort_init(&member->cohorts[member->cohort_count++], &configuration->databases[i]);
    return ok;
}

void
member_fini(struct store_member *member)
{
    for (size_t i = 0; i < member->cohort_count; i++) {
        free(member->cohorts[i].database);
        free(member->cohorts[i].key);
    }
    free(member->cohorts);
    *member = (struct store_member){.cohorts = NULL};
}

static bool
is_same(const struct store_member *a, const struct store_member *b)
{
    bool same = a->cohort_count == b->cohort_count;

    for (size_t i = 0; same && i < a->cohort_count; i++)
        same = strcmp(a->cohorts[i].database, b->cohorts[i].database) == 0 &&
               strcmp(a->cohorts[i].key, b->cohorts[i].key) == 0 &&
               strcmp(a->cohorts[i].salt, b->cohorts[i].salt) == 0;
    return same;
}

struct admission {
    struct reporter *reporter;
    struct store_member member;
    char *error;
    size_t error_size;
    bool is_admitted;
};

// On the store's thread. What is refused has changed nothing, here or there.
static void
join(void *context)
{
    struct admission *admission = context;
    struct reporter *reporter = admission->reporter;

    if (!is_same(&reporter->member, &admission->member))
        admission->is_admitted =
            !store_is_away(reporter->store) &&
            store_connect(reporter->store, &admission->member, admission->error,
                          admission->error_size) == STORE_WORKS;
    if (store_is_away(reporter->store)) {
        snprintf(admission->error, admission->error_size, "%s", store_error(reporter->store));
        (void)reporter_store_said(reporter, false);
    }
    if (!admission->is_admitted)
        return;

    struct store_member before = reporter->member;

    reporter->member = admission->member;
    admission->member = before;
}

// The first database whose canary would get more by it than the configuration in force gives.
static const char *
raised_by(struct reporter *reporter, const struct configuration *configuration)
{
    const struct configuration *in_force = instance_configuration(reporter->instance);
    const char *raised = NULL;

    for (size_t i = 0; raised == NULL && i < configuration->database_count; i++) {
        const struct configuration_database *entry = &configuration->databases[i];
        const struct configuration_database *before = configuration_database(in_force, entry->name);

        if (entry->canary.percent > (before == NULL ? 0 : before->canary.percent))
            raised = entry->name;
    }
    configuration_unref(&in_force);
    return raised;
}

bool
reporter_admits(struct reporter *reporter, const struct configuration *configuration, char *error,
                size_t error_size)
{
    struct admission admission = {
        .reporter = reporter, .error = error, .error_size = error_size, .is_admitted = true};

    if (!store_is_shared(reporter->store))
        return true;

    const char *raised = raised_by(reporter, configuration);

    if (raised != NULL && !reporter_can_wait_for_store(reporter)) {
        snprintf(error, error_size,
                 "databases.%s.canary.percent: not to be raised while the store is away", raised);
        return false;
    }
    if (!member_init(&admission.member, configuration, reporter->member.instance)) {
        snprintf(error, error_size, "out of memory");
        admission.is_admitted = false;
    } else {
        snprintf(admission.member.name, sizeof admission.member.name, "%s", reporter->member.name);
        reporter_wait_for_store(reporter, join, &admission);
    }
    member_fini(&admission.member);
    return admission.is_admitted;
}
