// Latencies, log-linear: 16 steps an octave from 1 us to 134 s, so that every value is known to within
// 6.25 %. Plain data; the owner locks.
#ifndef PROXY_REPORT_HISTOGRAM_H
#define PROXY_REPORT_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_STEPS = 16, HISTOGRAM_BUCKETS = 24 * HISTOGRAM_STEPS };

struct histogram {
    uint64_t count;
    uint64_t sum; // ns
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

// Where a value is counted; for those who count by themselves.
size_t histogram_bucket(uint64_t nanoseconds);
// Of such counts, without their sum.
struct histogram histogram_of_counts(const uint32_t counts[HISTOGRAM_BUCKETS]);
void histogram_add(struct histogram *histogram, uint64_t nanoseconds);
void histogram_merge(struct histogram *into, const struct histogram *from);
// The value below which the fraction `quantile` lies, in ns; 0 of nothing.
double histogram_quantile(const struct histogram *histogram, double quantile);
// How many are at most `nanoseconds`, to within a bucket; for Prometheus' cumulative buckets.
uint64_t histogram_at_most(const struct histogram *histogram, uint64_t nanoseconds);

// For the store: count, sum and the buckets that are not empty, as a portable byte string.
enum { HISTOGRAM_MAX_BYTES = 16 + HISTOGRAM_BUCKETS * 10 };
size_t histogram_write(const struct histogram *histogram, uint8_t out[HISTOGRAM_MAX_BYTES]);
// Adds what was written. Nothing is added of a byte string that is not one.
void histogram_read(struct histogram *into, const uint8_t *bytes, size_t length);

#endif
