// The sessions and waiting jobs of one user on one side (a group), and what is known of that side (a
// place): looking them up, the queue, the settings in force. The pool's loop.
#include "proxy/own/own_parts.h"
#include <stdlib.h>
#include <string.h>

// ---- queues ----

void
own_group_enqueue(struct own_group *group, struct own_job *job)
{
    job->next = NULL;
    if (group->first == NULL) {
        group->first = job;
    } else {
        group->last->next = job;
    }
    group->last = job;
    group->waiting++;
}

void
own_group_unqueue(struct own_group *group, struct own_job *before, struct own_job *job)
{
    if (before != NULL) {
        before->next = job->next;
    } else {
        group->first = job->next;
    }
    if (group->last == job) {
        group->last = before;
    }
    group->waiting--;
    job->next = NULL;
}

void
own_group_fail_all(struct own_group *group, enum own_outcome outcome,
                   const struct own_trouble *trouble)
{
    while (group->first != NULL) {
        struct own_job *job = group->first;
        own_group_unqueue(group, NULL, job);
        own_pool_finish(group->pool, job, outcome, trouble);
    }
}

void
own_group_fail_overdue(struct own_group *group, uint64_t now)
{
    static const struct own_trouble overdue = {.text = "no session became free in time"};
    uint64_t answered_at = group->place->answered_at;
    struct own_job *before = NULL;
    struct own_job *job = group->first;
    while (job != NULL) {
        struct own_job *next = job->next;
        if (job->queue_timeout > 0 && now - job->queued >= job->queue_timeout) {
            own_group_unqueue(group, before, job);
            bool is_answering = answered_at != 0 && now - answered_at < job->queue_timeout;
            own_pool_finish(group->pool, job, is_answering ? OWN_OVERDUE : OWN_UNAVAILABLE,
                            &overdue);
        } else {
            before = job;
        }
        job = next;
    }
}

// ---- places and groups ----

void
own_group_renew_settings(const struct own_group *group)
{
    struct own_place *place = group->place;
    uint64_t epoch = atomic_load(&place->database->settings_epoch);
    if (place->settings != NULL && epoch == place->settings_epoch) {
        return;
    }
    if (place->settings != NULL) {
        database_settings_unref(&place->settings);
        place->failures = 0; // perhaps another server
        place->refuses_options = false;
    }
    place->settings = database_settings(place->database);
    place->settings_epoch = epoch;
}

static struct own_place *
find_place(struct own_pool *pool, struct database *database, enum side side)
{
    struct own_place *place = pool->places;
    while (place != NULL && (place->database != database || place->side != side)) {
        place = place->next;
    }
    if (place != NULL) {
        return place;
    }
    place = calloc(1, sizeof *place);
    if (place != NULL) {
        place->database = database;
        place->side = side;
        place->next = pool->places;
        pool->places = place;
    }
    return place;
}

struct own_group *
own_group_find(struct own_pool *pool, const struct own_identity *identity, enum side side)
{
    struct own_group *group = pool->groups;
    while (group != NULL &&
           (group->place->database != identity->database || group->place->side != side ||
            strcmp(group->user, identity->user) != 0)) {
        group = group->next;
    }
    if (group != NULL) {
        return group;
    }
    group = calloc(1, sizeof *group);
    if (group == NULL) {
        return NULL;
    }
    group->pool = pool;
    group->place = find_place(pool, identity->database, side);
    group->user = strdup(identity->user);
    if (group->place == NULL || group->user == NULL) {
        free(group->user);
        free(group);
        return NULL;
    }
    group->next = pool->groups;
    pool->groups = group;
    return group;
}

// A secret that was not known before is a new chance.
void
own_group_learn_secret(struct own_group *group, struct secret *secret)
{
    if (secret == NULL || secret == group->secret) {
        return;
    }
    bool is_new = !secret_equals(secret, group->secret);
    secret_unref(&group->secret);
    group->secret = secret_ref(secret);
    if (is_new) {
        group->login_refused_until = 0;
    }
}

void
own_group_free(struct own_group **at)
{
    struct own_group *group = *at;
    *at = group->next;
    secret_unref(&group->secret);
    free(group->user);
    free(group);
}

unsigned
own_group_count(const struct own_group *group, enum own_phase phase)
{
    unsigned count = 0;
    for (const struct own_session *at = group->sessions; at != NULL; at = at->next) {
        count += at->phase == phase;
    }
    return count;
}
