// A table by hash, each key with a few places to be in. Two users of the same 64-bit hash are one here: the event of
// the second comes a minute later. And the events of refused logins themselves, which are queued for the reporter's
// thread: the audit log's lock is held while the store writes, and those who tell may be workers.
#include "proxy/report/refusals.h"
#include "proxy/own/own_session.h"
#include "proxy/report/reporter_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static const uint64_t told_lasts = UINT64_C(60000000000); // ns

void
refusals_init(struct refusals *refusals)
{
    memset(refusals->told, 0, sizeof refusals->told);
    pthread_mutex_init(&refusals->lock, NULL);
}

void
refusals_fini(struct refusals *refusals)
{
    pthread_mutex_destroy(&refusals->lock);
}

// Its own place, else a free one, else NULL.
static struct refusal_told *
place_of(struct refusals *refusals, uint64_t key, uint64_t now)
{
    struct refusal_told *set =
        &refusals->told[key % (REFUSALS_ROOM / REFUSALS_WAYS) * REFUSALS_WAYS];
    struct refusal_told *free_place = NULL;

    for (size_t i = 0; i < REFUSALS_WAYS; i++) {
        if (set[i].key == key && set[i].until != 0)
            return &set[i];
        if (free_place == NULL && now >= set[i].until)
            free_place = &set[i];
    }
    return free_place;
}

bool
refusals_are_due(struct refusals *refusals, const void *database, int side, const char *user,
                 uint64_t now)
{
    uint64_t key = XXH3_64bits_withSeed(user, strlen(user), (uintptr_t)database + (unsigned)side);

    pthread_mutex_lock(&refusals->lock);

    struct refusal_told *place = place_of(refusals, key, now);
    bool is_due = place != NULL && now >= place->until;

    if (is_due)
        *place = (struct refusal_told){key, now + told_lasts};
    pthread_mutex_unlock(&refusals->lock);
    return is_due;
}

// ---- the events ----

struct telling {
    struct reporter *reporter;
    const struct database *database;
    char text[960];
};

static void // on the reporter's thread
tell(void *context)
{
    struct telling *telling = context;

    reporter_event(telling->reporter, telling->database, "login", "pgrehearse", "%s",
                   telling->text);
    free(telling);
}

void
reporter_refusal(void *instance, const struct own_refusal *refusal)
{
    struct reporter *reporter = ((struct instance *)instance)->reporter;

    if (reporter == NULL || !refusals_are_due(&reporter->refusals, refusal->database,
                                              (int)refusal->side, refusal->user, uv_hrtime()))
        return;

    struct telling *telling = malloc(sizeof *telling);

    if (telling == NULL)
        return; // the log has it
    telling->reporter = reporter;
    telling->database = refusal->database;

    bool is_other = strcmp(refusal->login, refusal->user) != 0;

    snprintf(telling->text, sizeof telling->text,
             "%s lets user \"%.64s\"%s%.64s%s not in: %s%s%s; %s",
             refusal->side == SIDE_NEW ? "new" : "old", refusal->user, is_other ? " (as \"" : "",
             is_other ? refusal->login : "", is_other ? "\")" : "", refusal->sqlstate,
             *refusal->sqlstate != '\0' ? " " : "", refusal->text, refusal->hint);
    reporter_run(reporter, tell, telling);
}
