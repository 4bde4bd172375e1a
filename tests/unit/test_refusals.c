// Refused logins are told once a minute each, however many users there are.
#include "proxy/report/refusals.h"
#include <criterion/criterion.h>
#include <stdio.h>

static const uint64_t minute = UINT64_C(60000000000);
static struct refusals refusals;
static int app, shop;

static void
begin(void)
{
    refusals_init(&refusals);
}

static void
end(void)
{
    refusals_fini(&refusals);
}

TestSuite(refusals, .init = begin, .fini = end);

Test(refusals, each_user_side_and_database_is_told_once_a_minute)
{
    cr_expect(refusals_are_due(&refusals, &app, 1, "mary", 1));
    cr_expect_not(refusals_are_due(&refusals, &app, 1, "mary", minute));
    cr_expect(refusals_are_due(&refusals, &app, 0, "mary", 2), "the other side");
    cr_expect(refusals_are_due(&refusals, &shop, 1, "mary", 2), "another database");
    cr_expect(refusals_are_due(&refusals, &app, 1, "john", 2), "another user");
    cr_expect(refusals_are_due(&refusals, &app, 1, "mary", minute + 1), "a minute has passed");
    cr_expect_not(refusals_are_due(&refusals, &app, 1, "mary", minute + 2));
}

Test(refusals, any_number_of_users_fits_and_none_is_told_twice)
{
    char user[32];
    unsigned first = 0, second = 0;
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 10000; i++) {
            snprintf(user, sizeof user, "user %u", i);
            *(round == 0 ? &first : &second) += refusals_are_due(&refusals, &app, 1, user, 5);
        }
    cr_expect_eq(first, REFUSALS_ROOM);
    cr_expect_eq(second, 0);
}
