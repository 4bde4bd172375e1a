// The mailbox of a shadow thread: others put work in and wake it; once it is closed they keep what
// they have. Its lock is held for a few pointers at a time.

#include "proxy/shadow/shadow_thread.h"
#include <stdlib.h>

struct shadow_mailbox *
shadow_mailbox_new(uv_async_t *wake)
{
    struct shadow_mailbox *mailbox = calloc(1, sizeof(*mailbox));
    if (!mailbox)
        return NULL;
    atomic_init(&mailbox->references, 1);
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->end = &mailbox->first;
    mailbox->wake = wake;
    return mailbox;
}

struct shadow_mailbox *
shadow_mailbox_ref(struct shadow_mailbox *mailbox)
{
    atomic_fetch_add(&mailbox->references, 1);
    return mailbox;
}

void
shadow_mailbox_unref(struct shadow_mailbox **mailbox)
{
    struct shadow_mailbox *gone = *mailbox;
    *mailbox = NULL;
    if (!gone || atomic_fetch_sub(&gone->references, 1) != 1)
        return;
    pthread_mutex_destroy(&gone->lock);
    free(gone);
}

bool
shadow_mailbox_post(struct shadow_mailbox *mailbox, struct shadow_work *work)
{
    work->next = NULL;
    pthread_mutex_lock(&mailbox->lock);
    bool is_open = !mailbox->is_closed;
    if (is_open) {
        *mailbox->end = work;
        mailbox->end = &work->next;
        uv_async_send(mailbox->wake);
    }
    pthread_mutex_unlock(&mailbox->lock);
    return is_open;
}

struct shadow_work *
shadow_mailbox_empty(struct shadow_mailbox *mailbox, bool close)
{
    pthread_mutex_lock(&mailbox->lock);
    struct shadow_work *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->end = &mailbox->first;
    mailbox->is_closed = mailbox->is_closed || close;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}
