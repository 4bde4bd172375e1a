// When sessions of each cohort key wrote last.
#include "proxy/canary/key_writes.h"
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static size_t
slot_of(const char *key)
{
    return key_writes_slot(key, strlen(key));
}

Test(key_writes, before_anybody_noted_anything_every_key_may_have_been_written)
{
    struct key_writes *_Atomic place = NULL;
    struct key_writes *writes = key_writes_of(&place, 7);

    cr_assert_not_null(writes);
    cr_expect_eq(key_writes_of(&place, 9), writes);
    cr_expect_eq(key_writes_last(writes, slot_of("a tenant")), 7);
    key_writes_free(&place);
    cr_expect_null(atomic_load(&place));
}

Test(key_writes, a_write_is_its_key_s_and_one_of_nobody_knows_whose_is_every_key_s)
{
    struct key_writes *_Atomic place = NULL;
    struct key_writes *writes = key_writes_of(&place, 1);

    cr_assert_neq(slot_of("one"), slot_of("other"));
    key_writes_note(writes, slot_of("one"), 50);
    cr_expect_eq(key_writes_last(writes, slot_of("one")), 50);
    cr_expect_eq(key_writes_last(writes, slot_of("other")), 1);
    key_writes_note(writes, slot_of("one"), 40);
    cr_expect_eq(key_writes_last(writes, slot_of("one")), 50, "times only rise");
    key_writes_note_all(writes, 60);
    cr_expect_eq(key_writes_last(writes, slot_of("one")), 60);
    cr_expect_eq(key_writes_last(writes, slot_of("other")), 60);
    key_writes_free(&place);
}

struct writer {
    struct key_writes *_Atomic *place;
    uint64_t first;
};

static void *
write_often(void *context)
{
    const struct writer *writer = context;
    struct key_writes *writes = key_writes_of(writer->place, 1);

    for (uint64_t at = writer->first; at <= 100000; at += 2) {
        key_writes_note(writes, slot_of("one"), at);
        cr_assert_geq(key_writes_last(writes, slot_of("one")), at);
    }
    return NULL;
}

Test(key_writes, the_latest_of_several_threads_stays)
{
    struct key_writes *_Atomic place = NULL;
    struct writer writers[2] = {{&place, 1}, {&place, 2}};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, write_often, &writers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    cr_expect_eq(key_writes_last(key_writes_of(&place, 1), slot_of("one")), 100000);
    key_writes_free(&place);
}
