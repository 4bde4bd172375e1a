// One server compared with itself while one flag flips: whatever is suspected there is no mismatch, and of
// 100,000 suspicions at most one in 10,000 may be called one (DESIGN 3.3). The flag flips at random or like a
// clock, from far slower to far faster than the rounds, evenly or lopsided; time is simulated and the pauses are the
// judge's own.
#include "compare/rounds.h"
#include "compare/rounds_pause.h"
#include "tables.h"
#include <math.h>

enum { SUSPICIONS = 100000, ALLOWED = SUSPICIONS / 10000 };

static uint64_t random_state = 88172645463325252u;

static uint64_t
any(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state * UINT64_C(0x2545F4914F6CDD1D);
}

static double
uniform(void)
{
    return ((double)(any() >> 11) + 0.5) / 9007199254740992.0;
}

struct flag {
    bool is_clock;   // flips after the same time each
    double stays[2]; // ms in each state, on average
    bool state;
    double now, flips; // ms
};

static void
flag_start(struct flag *flag)
{
    flag->now = 0;
    flag->state = uniform() * (flag->stays[0] + flag->stays[1]) > flag->stays[0];
    flag->flips = flag->stays[flag->state] * (flag->is_clock ? uniform() : -log(uniform()));
}

static bool
flag_after(struct flag *flag, double ms)
{
    flag->now += ms;
    double whole = flag->stays[0] + flag->stays[1];
    if (flag->is_clock && flag->now > flag->flips + whole)
        flag->flips += floor((flag->now - flag->flips) / whole) * whole;
    if (!flag->is_clock && flag->now - flag->flips > 40 * whole) { // it has forgotten all
        double now = flag->now;
        flag_start(flag);
        flag->flips += now;
        flag->now = now;
    }
    while (flag->flips <= flag->now) {
        flag->state = !flag->state;
        flag->flips += flag->stays[flag->state] * (flag->is_clock ? 1 : -log(uniform()));
    }
    return flag->state;
}

static struct result
reading(struct flag *flag, double ms)
{
    static const struct reply_column columns[] = {{.name = "id", .type = 23, .type_modifier = -1},
                                                  {.name = "v", .type = 25, .type_modifier = -1}};
    static const uint8_t states[2][15] = {{0, 2, 0, 0, 0, 1, '1', 0, 0, 0, 3, 'o', 'f', 'f'},
                                          {0, 2, 0, 0, 0, 1, '1', 0, 0, 0, 2, 'o', 'n'}};
    struct result result;
    bool state = flag_after(flag, ms);
    result_init(&result);
    cr_assert(result_set_columns(&result, columns, 2, NULL, 0));
    cr_assert_eq(result_add(&result, 'D', states[state], state ? 13 : 14), RESULT_OK);
    cr_assert_eq(result_add(&result, 'C', (const uint8_t *)"SELECT 1", 9), RESULT_ENDED);
    return result;
}

static enum verdict
suspect(struct flag *flag)
{
    static const struct determinacy determinacy = {.order = ORDER_NONE};
    static const struct difference_rules rules = {.float_tolerance = 0};
    static const double settle = 100, takes = 0.5; // ms; a reading and its way
    struct rounds rounds;
    enum rounds_step step = ROUNDS_AGAIN;
    rounds_init(&rounds, &(struct rounds_settings){5, 10}, &determinacy, &rules);
    flag_start(flag);
    while (step == ROUNDS_AGAIN) {
        struct result old_first = reading(flag, floor(rounds_gap(settle, rounds.attempts, any())));
        struct result new_first = reading(flag, takes + floor(rounds_pause(settle, any())));
        struct result old_second = reading(flag, takes + floor(rounds_pause(settle, any())));
        struct result new_second;
        bool again = rounds_wants_new_again(&rounds, &old_first, &new_first, &old_second);
        result_init(&new_second);
        if (again)
            new_second = reading(flag, takes + floor(rounds_pause(settle, any())));
        step = rounds_add(&rounds, &old_first, &new_first, &old_second, again ? &new_second : NULL);
        result_fini(&old_first);
        result_fini(&new_first);
        result_fini(&old_second);
        result_fini(&new_second);
    }
    enum verdict verdict = rounds.verdict;
    rounds_fini(&rounds);
    return verdict;
}

// How many of `count` suspicions are called a mismatch; counts the verdicts.
static unsigned
suspect_often(struct flag *flag, unsigned count, unsigned verdicts[VERDICT_COUNT])
{
    unsigned before = verdicts[VERDICT_MISMATCH];
    for (unsigned i = 0; i < count; i++)
        verdicts[suspect(flag)]++;
    return verdicts[VERDICT_MISMATCH] - before;
}

// Each reading is a toss of a coin: old, new, old alone would be five times alike about twice in 10,000 suspicions.
Test(rounds_random, a_flag_much_faster_than_the_readings_is_no_mismatch, .timeout = 300)
{
    struct flag flag = {.stays = {0.02 / 3, 0.01 / 3}};
    unsigned verdicts[VERDICT_COUNT] = {0};
    cr_expect_leq(suspect_often(&flag, SUSPICIONS, verdicts), ALLOWED, "%u mismatches",
                  verdicts[VERDICT_MISMATCH]);
    cr_expect_gt(verdicts[VERDICT_LAGGING], SUSPICIONS / 2);
}

Test(rounds_random, a_flag_of_whatever_period_is_no_mismatch, .timeout = 300)
{
    // In ms, from half a reading to many rounds; shares of the time that the flag is off.
    static const double periods[] = {0.01, 0.5, 1,   1.5, 2,   5,    20,   50,
                                     100,  150, 200, 300, 500, 1000, 3000, 30000};
    static const double shares[] = {0.5, 0.6, 0.9};
    enum {
        PERIODS = sizeof periods / sizeof periods[0],
        SHARES = sizeof shares / sizeof shares[0]
    };
    enum { KINDS = PERIODS * SHARES * 2, EACH = SUSPICIONS / 5 / KINDS };
    unsigned verdicts[VERDICT_COUNT] = {0};
    for (size_t i = 0; i < KINDS; i++) {
        double period = periods[i / 2 / SHARES], share = shares[i / 2 % SHARES];
        struct flag flag = {.is_clock = i % 2, .stays = {period * share, period * (1 - share)}};
        unsigned here = suspect_often(&flag, EACH, verdicts);
        cr_expect_leq(here, 2, "%u of %u with a %s of %g ms, off for %g of it", here, EACH,
                      flag.is_clock ? "clock" : "chance", period, share);
    }
    cr_expect_leq(verdicts[VERDICT_MISMATCH], ALLOWED / 5, "%u mismatches",
                  verdicts[VERDICT_MISMATCH]);
}
