// A cohort key's place: XXH3-64 of the key, seeded with XXH3-64 of the salt, mod 10000. Every proxy
// with the same salt gives a key the same place, and a cohort of P hundredths of a percent holds the
// places below P: raising P only adds keys, lowering it only removes them. Pure, any thread.
#include "compare/cohort.h"
#include <string.h>
#include <xxhash.h>

enum { PLACES = 10000 };

int
cohort_place(const char *salt, const char *key, size_t key_length)
{
    if (key_length == 0)
        return -1;
    XXH64_hash_t seed = XXH3_64bits(salt, strlen(salt));
    return (int)(XXH3_64bits_withSeed(key, key_length, seed) % PLACES);
}

bool
cohort_holds(int place, unsigned percent_hundredths)
{
    return place >= 0 && (unsigned)place < percent_hundredths;
}
