// What initdb made is found under its own name alone, and the one that was asked for the longest ago makes room.
#include "compare/sql/catalog_build.h"
#include "proxy/control/builtin_catalogs.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct catalog *
empty_catalog(void)
{
    struct catalog_build *build = catalog_build_new();
    struct catalog *catalog = catalog_build_finish(&build);
    cr_assert_not_null(catalog);
    return catalog;
}

static bool
has(struct builtin_catalogs *kept, const char *name)
{
    struct catalog *found = builtin_catalogs_find(kept, name);
    bool is_found = found != NULL;
    catalog_unref(&found);
    return is_found;
}

Test(builtin_catalogs, the_last_of_a_name_is_found)
{
    struct builtin_catalogs *kept = builtin_catalogs_new();
    struct catalog *one = empty_catalog(), *other = empty_catalog();
    cr_expect_not(has(kept, "1 a"));
    builtin_catalogs_keep(kept, "1 a", one);
    builtin_catalogs_keep(kept, "1 b", other);
    struct catalog *found = builtin_catalogs_find(kept, "1 a");
    cr_expect_eq(found, one);
    catalog_unref(&found);
    builtin_catalogs_keep(kept, "1 a", other);
    found = builtin_catalogs_find(kept, "1 a");
    cr_expect_eq(found, other);
    catalog_unref(&one);
    catalog_unref(&other);
    builtin_catalogs_free(&kept); // `found` is a reference of its own
    cr_expect_null(catalog_type_name(found, 23));
    catalog_unref(&found);
}

Test(builtin_catalogs, the_one_asked_for_the_longest_ago_makes_room)
{
    struct builtin_catalogs *kept = builtin_catalogs_new();
    struct catalog *catalog = empty_catalog();
    char name[32];
    for (int i = 0; i < BUILTIN_CATALOGS_KEPT; i++) {
        snprintf(name, sizeof(name), "%d", i);
        builtin_catalogs_keep(kept, name, catalog);
    }
    cr_expect(has(kept, "0"));
    builtin_catalogs_keep(kept, "one more", catalog);
    cr_expect(has(kept, "0"));
    cr_expect_not(has(kept, "1"));
    cr_expect(has(kept, "2"));
    cr_expect(has(kept, "one more"));
    catalog_unref(&catalog);
    builtin_catalogs_free(&kept);
}

Test(builtin_catalogs, a_name_that_does_not_fit_is_not_kept)
{
    struct builtin_catalogs *kept = builtin_catalogs_new();
    struct catalog *catalog = empty_catalog();
    char name[BUILTIN_CATALOGS_NAME + 1];
    memset(name, 'a', sizeof(name));
    name[BUILTIN_CATALOGS_NAME] = '\0';
    builtin_catalogs_keep(kept, name, catalog);
    cr_expect_not(has(kept, name));
    name[BUILTIN_CATALOGS_NAME - 1] = '\0';
    cr_expect_not(has(kept, name));
    builtin_catalogs_keep(kept, name, catalog);
    cr_expect(has(kept, name));
    catalog_unref(&catalog);
    builtin_catalogs_free(&kept);
}
