// Sizes (B, KiB, MiB, GiB), times (us, ms, s, m, h) and percentages (steps of 0.01), as the
// configuration and the console take them.
#ifndef CONFIG_UNITS_H
#define CONFIG_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool units_read_size(const char *text, size_t *bytes);
bool units_read_duration(const char *text, uint64_t *nanoseconds);
bool units_read_percent(const char *text, unsigned *hundredths); // "0" to "100", at most 2 decimals
void units_write_percent(unsigned hundredths, char text[16]);    // "5", "0.25"
void units_write_duration(uint64_t nanoseconds, char text[24]);  // "250ms"
void units_write_size(size_t bytes, char text[24]);              // "64MiB"

#endif
