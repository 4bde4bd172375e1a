// Log-linear latency histograms. The first 16 buckets are a microsecond wide each; from there every
// octave has 16. Values over the last bucket are counted in it.
#include "proxy/report/histogram.h"
#include "protocol/reader.h"

size_t
histogram_bucket(uint64_t nanoseconds)
{
    uint64_t us = nanoseconds / 1000;

    if (us < HISTOGRAM_STEPS)
        return (size_t)us;

    unsigned octave = 63 - (unsigned)__builtin_clzll(us); // 4 and up
    size_t bucket = (size_t)(octave - 3) * HISTOGRAM_STEPS + ((us >> (octave - 4)) & 15);

    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

struct histogram
histogram_of_counts(const uint32_t counts[HISTOGRAM_BUCKETS])
{
    struct histogram histogram = {0};

    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        histogram.buckets[i] = counts[i];
        histogram.count += counts[i];
    }
    return histogram;
}

// Lower bound of a bucket, in us; that of the next one is where it ends.
static double
bucket_begins(size_t bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return (double)bucket;

    unsigned octave = (unsigned)(bucket / HISTOGRAM_STEPS) + 3;

    return (double)((uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << (octave - 4));
}

void
histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
    histogram->count++;
    histogram->sum += nanoseconds;
    histogram->buckets[histogram_bucket(nanoseconds)]++;
}

void
histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->sum += from->sum;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

double
histogram_quantile(const struct histogram *histogram, double quantile)
{
    double wanted = quantile * (double)histogram->count;
    double seen = 0;

    if (histogram->count == 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double here = (double)histogram->buckets[i];

        if (here > 0 && seen + here >= wanted) {
            double begins = bucket_begins(i);
            double width = bucket_begins(i + 1) - begins;

            return (begins + width * (wanted - seen) / here) * 1000;
        }
        seen += here;
    }
    return bucket_begins(HISTOGRAM_BUCKETS) * 1000;
}

uint64_t
histogram_at_most(const struct histogram *histogram, uint64_t nanoseconds)
{
    uint64_t total = 0;
    double limit = (double)nanoseconds / 1000;

    for (size_t i = 0; i < HISTOGRAM_BUCKETS && bucket_begins(i + 1) <= limit; i++)
        total += histogram->buckets[i];
    return total;
}

static size_t
put(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    return bytes;
}

size_t
histogram_write(const struct histogram *histogram, uint8_t out[HISTOGRAM_MAX_BYTES])
{
    size_t at = put(out, histogram->count, 8);

    at += put(out + at, histogram->sum, 8);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        if (histogram->buckets[i] > 0) {
            at += put(out + at, i, 2);
            at += put(out + at, histogram->buckets[i], 8);
        }
    return at;
}

void
histogram_read(struct histogram *into, const uint8_t *bytes, size_t length)
{
    struct histogram read = {0};
    struct reader reader = reader_over(bytes, length);

    read.count = reader_u64(&reader);
    read.sum = reader_u64(&reader);
    while (!reader.failed && reader_left(&reader) > 0) {
        uint16_t bucket = reader_u16(&reader);
        uint64_t value = reader_u64(&reader);

        if (bucket >= HISTOGRAM_BUCKETS)
            return;
        read.buckets[bucket] += value;
    }
    if (reader_is_done(&reader))
        histogram_merge(into, &read);
}
