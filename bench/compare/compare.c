// What the comparator costs, beside what the machine's memcmp and XXH3 cost on the same bytes: in turns,
// medians of ROUNDS, in one run on one core, so that the ratios hold where the figures do not.
//
//   identical   two results that are the same to the byte: GB of one result a second
//   permuted    the same rows in another order, no ORDER BY: GB of one result a second
//   typed       every row differs in bytes and none in values: cells a second
//
// Results are made here as a server would send them. Built on demand: ninja bench_compare. A word behind
// its name measures that alone, a number behind the word only results of up to so many MiB.
#include "compare/difference.h"
#include "protocol/writer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

enum { ROUNDS = 9, INT4 = 23, INT8 = 20, TEXT = 25, NUMERIC = 1700, TIMESTAMPTZ = 1184, BOOL = 16 };

// The size of a result: below and at shadow.max_result, and far beyond it.
static const size_t sizes[] = {1u << 20, 16u << 20, 256u << 20};

static volatile uint64_t seen; // what was computed goes here, so that no compiler leaves it out

struct pair { // of results that are held against each other
    struct result sides[2];
};

static double
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); // a core's, whoever else wants it
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int
double_order(const void *one, const void *other)
{
    const double *a = one;
    const double *b = other;
    return (*a > *b) - (*a < *b);
}

static double
median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, double_order);
    return values[ROUNDS / 2];
}

static void
need(bool is_fine, const char *what)
{
    if (is_fine)
        return;
    fprintf(stderr, "bench_compare: %s\n", what);
    exit(2);
}

static void
describe(struct result *result, const uint32_t *types, const int16_t *formats, size_t count)
{
    struct reply_column columns[8];
    static char name[] = "value";
    for (size_t i = 0; i < count; i++)
        columns[i] = (struct reply_column){.name = name, .type = types[i], .type_modifier = -1};
    result_init(result);
    need(result_set_columns(result, columns, count, formats, count), "out of memory");
}

static void
add(struct result *result, struct writer *body)
{
    need(!body->failed && result_add(result, 'D', body->bytes, body->length) == RESULT_OK,
         "a row that is none");
    writer_clear(body);
}

static void
put_text(struct writer *body, const char *format, unsigned long long value)
{
    char text[128];
    int length = snprintf(text, sizeof text, format, value);
    writer_value(body, text, (size_t)length);
}

// Rows as a shop has them, about a hundred bytes each, `step` apart from each other in number.
static void
fill_shop(struct result *result, size_t rows, size_t step)
{
    static const uint32_t types[] = {INT4, TEXT, NUMERIC, TIMESTAMPTZ, TEXT};
    static const int16_t formats[5] = {0};
    struct writer body;
    writer_init(&body);
    describe(result, types, formats, 5);
    for (size_t i = 0, row = 0; i < rows; i++, row = (row + step) % rows) {
        writer_i16(&body, 5);
        put_text(&body, "%llu", row);
        put_text(&body, "customer %llu of the shop", row * 7919);
        put_text(&body, "%llu.25", row % 1000);
        put_text(&body, "2024-01-01 10:00:00.%06llu+00", row % 1000000);
        put_text(&body, "note %llu: nothing to be said", row ^ 0x5555);
        add(result, &body);
    }
    result->kind = RESULT_ROWS;
    writer_fini(&body);
}

static void
put_binary(struct writer *body, uint64_t value, size_t width)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    writer_value(body, bytes, width);
}

// The same values twice, as two servers with other types or two clients with other formats see them.
static void
fill_typed(struct result *result, size_t rows, bool is_new)
{
    static const uint32_t types[2][6] = {{INT4, NUMERIC, TIMESTAMPTZ, BOOL, INT8, NUMERIC},
                                         {INT8, NUMERIC, TIMESTAMPTZ, BOOL, NUMERIC, NUMERIC}};
    static const int16_t formats[2][6] = {{0, 0, 0, 0, 1, 0}, {1, 0, 0, 1, 0, 0}};
    struct writer body;
    writer_init(&body);
    describe(result, types[is_new], formats[is_new], 6);
    for (size_t row = 0; row < rows; row++) {
        writer_i16(&body, 6);
        if (is_new)
            put_binary(&body, row, 8);
        else
            put_text(&body, "%llu", row);
        put_text(&body, is_new ? "%llu.50" : "%llu.5", row);
        put_text(&body, is_new ? "2024-01-01 12:00:00.%06llu+02" : "2024-01-01 10:00:00.%06llu+00",
                 row % 900000 + 100000);
        if (is_new)
            put_binary(&body, row % 2, 1);
        else
            writer_value(&body, row % 2 != 0 ? "t" : "f", 1);
        if (is_new)
            put_text(&body, "%llu", row * 1000003);
        else
            put_binary(&body, row * 1000003, 8);
        put_text(&body, is_new ? "1%llu.000" : "1%llu", row);
        add(result, &body);
    }
    result->kind = RESULT_ROWS;
    writer_fini(&body);
}

static double
time_compare(const struct pair *pair)
{
    static const struct determinacy determinacy = {.order = ORDER_NONE};
    static const struct difference_rules rules = {.float_tolerance = 1e-12};
    struct difference difference;
    double start = now();
    bool is_done =
        difference_find(&pair->sides[0], &pair->sides[1], &determinacy, &rules, &difference);
    double seconds = now() - start;
    need(is_done && difference.class == DIFFERENCE_NONE, "equal results differ");
    return seconds;
}

static double
time_memcmp(const struct pair *pair)
{
    double start = now();
    int order = memcmp(pair->sides[0].rows, pair->sides[1].rows, pair->sides[0].rows_length);
    double seconds = now() - start;
    seen = (uint64_t)order;
    return seconds;
}

static double
time_xxh3(const struct pair *pair)
{
    double start = now();
    XXH64_hash_t hash = 0;
    for (size_t side = 0; side < 2; side++)
        hash ^= XXH3_64bits(pair->sides[side].rows, pair->sides[side].rows_length);
    double seconds = now() - start;
    seen = hash;
    return seconds;
}

static void
free_pair(struct pair *pair)
{
    result_fini(&pair->sides[0]);
    result_fini(&pair->sides[1]);
}

static void
measure_bytes(const char *what, size_t size, size_t step)
{
    struct pair same, pair;
    size_t rows = size / 130;
    fill_shop(&pair.sides[0], rows, 1);
    fill_shop(&pair.sides[1], rows, step % rows);
    fill_shop(&same.sides[0], rows, 1);
    fill_shop(&same.sides[1], rows, 1);
    double times[3][ROUNDS];
    for (int round = -1; round < ROUNDS; round++) { // one to warm up
        double once[3] = {time_compare(&pair), time_memcmp(&same), time_xxh3(&same)};
        for (int i = 0; round >= 0 && i < 3; i++)
            times[i][round] = once[i];
    }
    double bytes = (double)pair.sides[0].rows_length / 1e9;
    double speed = bytes / median(times[0]);
    double memcmp_speed = bytes / median(times[1]), xxh3_speed = bytes / median(times[2]);
    printf("%-10s %5zu MiB %8zu rows  %6.2f GB/s   memcmp %6.2f (%.2f of it)   "
           "XXH3 of both %6.2f (%.2f of it)\n",
           what, pair.sides[0].rows_length >> 20, rows, speed, memcmp_speed, speed / memcmp_speed,
           xxh3_speed, speed / xxh3_speed);
    free_pair(&pair);
    free_pair(&same);
}

static void
measure_cells(size_t rows)
{
    struct pair pair;
    fill_typed(&pair.sides[0], rows, false);
    fill_typed(&pair.sides[1], rows, true);
    double times[ROUNDS];
    for (int round = -1; round < ROUNDS; round++) {
        double once = time_compare(&pair);
        if (round >= 0)
            times[round] = once;
    }
    double seconds = median(times);
    printf("%-10s %5zu MiB %8zu rows  %6.2f million cells/s\n", "typed",
           pair.sides[0].rows_length >> 20, rows, (double)(rows * 6) / seconds / 1e6);
    free_pair(&pair);
}

static bool
is_wanted(const char *only, const char *what)
{
    return only == NULL || strcmp(only, what) == 0;
}

int
main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;
    size_t most = argc > 2 ? strtoul(argv[2], NULL, 10) << 20 : SIZE_MAX;
    size_t count = 0;
    while (count < sizeof sizes / sizeof sizes[0] && sizes[count] <= most)
        count++;
    for (size_t i = 0; i < count && is_wanted(only, "identical"); i++)
        measure_bytes("identical", sizes[i], 1);
    for (size_t i = 0; i < count && is_wanted(only, "permuted"); i++)
        measure_bytes("permuted", sizes[i], 7919);
    if (!is_wanted(only, "typed"))
        return 0;
    measure_cells(10000);
    measure_cells(300000);
    return 0;
}
