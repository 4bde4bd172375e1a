// The priority of threads that rehearse and read catalogs. Where a proxy shares its processors with old (or has
// just one), each turn that they take is taken from a client.
//
// Known compromise: five steps of nice, which is a third of a worker's share, and not SCHED_IDLE: these threads hold
// locks for a few pointers that a worker may want (the allocator's, those of the shapes), and one that is not
// scheduled at all while it holds one would make clients wait.
#include "proxy/background.h"
#include <pthread.h>
#include <sys/resource.h>

enum { BACKGROUND_NICE = 5, LEAST_NICE = 19 };

void
background_begin(const char *name)
{
    pthread_setname_np(pthread_self(), name);
    int nice = getpriority(PRIO_PROCESS, 0) + BACKGROUND_NICE; // on Linux: of this thread
    setpriority(PRIO_PROCESS, 0, nice > LEAST_NICE ? LEAST_NICE : nice);
}
