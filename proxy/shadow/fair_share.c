// One token bucket a database, which all shadow threads take from, so that no thread's budget lies idle while another
// thread's shapes wait. What keeps a hot shape from emptying it: a shape has to leave more tokens behind the more it
// has had of late. The level that it must find is
//
//     1 + reserve * u / (u + fair)
//
// with u the reads of the shape that passed, decaying by half every HALF_LIFE, and fair the mean of u over the shapes
// that are in use. So one that has had nothing needs a single token; one that takes everything finds the reserve
// barred. As long as what the rarer shapes ask for in all is within the rate, the level stays above their need, and
// each of them passes whenever it comes; the hottest get what is left, and nothing of the budget is wasted.
//
// Shapes are remembered in a table of fixed size, SETS sets of WAYS. Where a set is full the shape with the smallest
// u is forgotten: it loses nothing, because one that is not known has had nothing. A read costs one set's ways and one
// more that is swept, under a lock that no worker ever takes.
//
// Known compromise: so that there is a reserve at small rates too, the bucket holds at least LEAST_CAPACITY reads; over
// T seconds up to per_second * T and one bucket may pass.

#include "proxy/shadow/fair_share.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

enum { SETS = 512, WAYS = 8, LEAST_CAPACITY = 16 };

static const double HALF_LIFE = 10e9; // ns
static const double FORGOTTEN = 0.01; // reads; below it a shape is not in use

struct way {
    uint64_t shape;
    uint64_t at; // when `used` was right, ns
    double used; // 0: free
};

struct fair_share {
    pthread_mutex_t lock; // for everything below
    double tokens;
    uint64_t last;    // ns; 0: never asked
    double used;      // over all shapes, as of `last`
    size_t in_use;    // ways that are not free
    size_t swept;     // the next way to look at
    struct way *ways; // SETS * WAYS, made when there is first a limit
};

struct fair_share *
fair_share_new(void)
{
    struct fair_share *share = calloc(1, sizeof(*share));
    if (share && pthread_mutex_init(&share->lock, NULL) != 0) {
        free(share);
        return NULL;
    }
    return share;
}

void
fair_share_free(struct fair_share **share)
{
    if (!*share)
        return;
    pthread_mutex_destroy(&(*share)->lock);
    free((*share)->ways);
    free(*share);
    *share = NULL;
}

static double
decayed(double used, uint64_t then, uint64_t now)
{
    return then < now ? used * exp2(-(double)(now - then) / HALF_LIFE) : used;
}

static void
fill(struct fair_share *share, double per_second, double capacity, uint64_t now)
{
    if (share->last == 0)
        share->tokens = capacity;
    else if (share->last < now)
        share->tokens += (double)(now - share->last) * 1e-9 * per_second;
    if (share->tokens > capacity)
        share->tokens = capacity;
    share->used = decayed(share->used, share->last, now);
    if (share->last < now)
        share->last = now;
}

static void
refresh(struct fair_share *share, struct way *way, uint64_t now)
{
    if (way->used == 0)
        return;
    way->used = decayed(way->used, way->at, now);
    if (way->at < now)
        way->at = now;
    if (way->used < FORGOTTEN) {
        way->used = 0;
        share->in_use--;
    }
}

static void
sweep(struct fair_share *share, uint64_t now)
{
    refresh(share, &share->ways[share->swept], now);
    share->swept = (share->swept + 1) % (SETS * WAYS);
}

// The shape's way, or else the one that has been used least: *used is the shape's.
static struct way *
way_of(struct fair_share *share, uint64_t shape, uint64_t now, double *used)
{
    struct way *set = &share->ways[shape % SETS * WAYS], *least = set;
    *used = 0;
    for (size_t i = 0; i < WAYS; i++) {
        refresh(share, &set[i], now);
        if (set[i].used > 0 && set[i].shape == shape) {
            *used = set[i].used;
            return &set[i];
        }
        if (set[i].used < least->used)
            least = &set[i];
    }
    return least;
}

static void
take(struct fair_share *share, struct way *way, uint64_t shape, uint64_t now, double used)
{
    share->tokens -= 1;
    share->used += 1;
    share->in_use += way->used == 0;
    *way = (struct way){.shape = shape, .at = now, .used = used + 1};
}

static bool
pass(struct fair_share *share, uint64_t shape, double per_second, uint64_t now)
{
    double capacity = per_second < LEAST_CAPACITY ? LEAST_CAPACITY : per_second;
    double used;
    fill(share, per_second, capacity, now);
    sweep(share, now);
    struct way *way = way_of(share, shape, now, &used);
    double fair = share->in_use > 0 ? share->used / (double)share->in_use : 0;
    double need = 1 + (used > 0 ? capacity / 2 * used / (used + fair) : 0);
    if (share->tokens < need)
        return false;
    take(share, way, shape, now, used);
    return true;
}

bool
fair_share_pass(struct fair_share *share, uint64_t shape, double per_second, uint64_t now)
{
    if (per_second <= 0)
        return true;
    pthread_mutex_lock(&share->lock);
    if (!share->ways)
        share->ways = calloc(SETS * WAYS, sizeof(*share->ways));
    bool may_pass = share->ways && pass(share, shape, per_second, now);
    pthread_mutex_unlock(&share->lock);
    return may_pass;
}
