#include "proxy/transport/secret.h"
#include <criterion/criterion.h>
#include <string.h>

static struct scram_keys
keys_of(uint8_t byte)
{
    struct scram_keys keys;
    memset(&keys, byte, sizeof keys);
    return keys;
}

Test(secret, it_owns_copies_of_what_it_was_made_from)
{
    char password[] = "pencil", md5[] = "md50123456789abcdef0123456789abcdef";
    struct scram_keys keys = keys_of(7);
    struct secret *secret = secret_new(password, md5, &keys);
    memset(password, 0, sizeof password);
    memset(md5, 0, sizeof md5);
    keys = keys_of(0);
    cr_expect_str_eq(secret->password, "pencil");
    cr_expect_str_eq(secret->md5, "md50123456789abcdef0123456789abcdef");
    cr_expect(secret->has_keys && secret->keys.client[0] == 7 && secret->keys.server[31] == 7);
    secret_unref(&secret);
    cr_expect_null(secret);
}

Test(secret, a_reference_keeps_it)
{
    struct secret *one = secret_new("pencil", NULL, NULL);
    struct secret *other = secret_ref(one);
    secret_unref(&one);
    cr_expect_str_eq(other->password, "pencil");
    secret_unref(&other);
    cr_expect_null(secret_ref(NULL));
    secret_unref(&other);
}

Test(secret, it_equals_what_opens_the_same)
{
    struct scram_keys one_keys = keys_of(1), other_keys = keys_of(2);
    const struct {
        const char *password, *md5;
        const struct scram_keys *keys;
    } all[] = {{NULL, NULL, NULL}, {"a", NULL, NULL},       {"b", NULL, NULL},
               {"aa", NULL, NULL}, {NULL, "a", NULL},       {"a", "a", NULL},
               {"a", "b", NULL},   {"a", "a", &one_keys},   {"a", "a", &other_keys},
               {"", NULL, NULL},   {NULL, NULL, &one_keys}, {NULL, NULL, &other_keys}};
    enum { COUNT = sizeof all / sizeof *all };
    for (size_t i = 0; i < COUNT; i++) {
        struct secret *one = secret_new(all[i].password, all[i].md5, all[i].keys);
        cr_expect(!secret_equals(one, NULL) && !secret_equals(NULL, one));
        for (size_t j = 0; j < COUNT; j++) {
            struct secret *other = secret_new(all[j].password, all[j].md5, all[j].keys);
            cr_expect_eq(secret_equals(one, other), i == j, "%zu and %zu", i, j);
            secret_unref(&other);
        }
        secret_unref(&one);
    }
    cr_expect(secret_equals(NULL, NULL));
}
