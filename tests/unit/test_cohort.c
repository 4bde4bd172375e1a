// The canary's cohort: sticky, monotone, salted, evenly spread (DESIGN 3.7).
#include "compare/cohort.h"
#include <criterion/criterion.h>
#include <stdio.h>

enum { KEYS = 20000 };

static int
place_of(const char *salt, int number)
{
    char key[32];
    int length = snprintf(key, sizeof key, "session-%d", number);
    return cohort_place(salt, key, (size_t)length);
}

Test(cohort, empty_key_is_never_in)
{
    cr_expect(cohort_place("salt", "", 0) == -1);
    cr_expect(!cohort_holds(-1, 10000));
}

Test(cohort, zero_holds_none_and_hundred_percent_all)
{
    for (int i = 0; i < 1000; i++) {
        cr_expect(!cohort_holds(place_of("s", i), 0));
        cr_expect(cohort_holds(place_of("s", i), 10000));
    }
}

Test(cohort, raising_the_percentage_only_adds)
{
    for (int i = 0; i < 500; i++) {
        bool was_in = false;
        for (unsigned percent = 0; percent <= 10000; percent += 25) {
            bool is_in = cohort_holds(place_of("s", i), percent);
            cr_expect(is_in || !was_in);
            was_in = is_in;
        }
    }
}

Test(cohort, holds_about_its_percentage)
{
    static const unsigned percents[] = {100, 1000, 2500, 5000, 9000};
    for (size_t p = 0; p < sizeof percents / sizeof percents[0]; p++) {
        int held = 0;
        for (int i = 0; i < KEYS; i++)
            held += cohort_holds(place_of("shop", i), percents[p]);
        double expected = KEYS * (percents[p] / 10000.0);
        cr_expect(held > expected * 0.85 && held < expected * 1.15, "%u: %d", percents[p], held);
    }
}

// Written down so that no change of the hash splits a fleet that is being upgraded.
Test(cohort, places_never_change)
{
    static const struct {
        const char *salt, *key;
        int place;
    } cases[] = {{"", "alice", 6348}, {"shop", "alice", 3959}, {"shop", "10.0.0.7", 3445}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int place = cohort_place(cases[i].salt, cases[i].key, strlen(cases[i].key));
        cr_expect_eq(place, cases[i].place, "%s/%s: %d", cases[i].salt, cases[i].key, place);
    }
}

Test(cohort, salt_makes_another_cohort)
{
    int same = 0;
    for (int i = 0; i < 1000; i++)
        same += place_of("a", i) == place_of("b", i);
    cr_expect(same < 10);
}
