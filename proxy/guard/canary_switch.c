// See canary_switch.h.
#include "proxy/guard/canary_switch.h"

bool
canary_switch_set(struct database *database, unsigned percent, unsigned *before)
{
    pthread_mutex_lock(&database->lock);

    bool is_armed = atomic_load(&database->canary_state) == CANARY_ARMED;
    unsigned had = is_armed ? atomic_exchange(&database->canary_percent, percent)
                            : atomic_load(&database->canary_percent);

    pthread_mutex_unlock(&database->lock);
    if (before != NULL)
        *before = had;
    return is_armed;
}

bool
canary_switch_move(struct database *database, unsigned expected, unsigned percent)
{
    pthread_mutex_lock(&database->lock);

    bool is_moved = atomic_load(&database->canary_state) == CANARY_ARMED &&
                    (atomic_load(&database->canary_percent) == percent ||
                     atomic_compare_exchange_strong(&database->canary_percent, &expected, percent));

    pthread_mutex_unlock(&database->lock);
    return is_moved;
}

bool
canary_switch_latch(struct database *database, unsigned *before)
{
    pthread_mutex_lock(&database->lock);

    // The latch first: no reader of both finds a percentage that may still be raised.
    bool was_armed = atomic_exchange(&database->canary_state, CANARY_LATCHED) == CANARY_ARMED;
    unsigned had = atomic_exchange(&database->canary_percent, 0);

    pthread_mutex_unlock(&database->lock);
    if (before != NULL)
        *before = had;
    return was_armed;
}

void
canary_switch_arm(struct database *database)
{
    pthread_mutex_lock(&database->lock);
    atomic_store(&database->canary_state, CANARY_ARMED);
    pthread_mutex_unlock(&database->lock);
}
