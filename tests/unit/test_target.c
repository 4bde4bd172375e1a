// Connection strings: what libpq resolves is what the proxy uses.
#include "proxy/transport/target.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char error[512];

static struct target *
parse(const char *string)
{
    error[0] = '\0';
    return target_new(string, error, sizeof error);
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    fputs(text, file);
    fclose(file);
    chmod(path, 0600);
}

Test(target, takes_a_string_to_pieces)
{
    struct target *target =
        parse("host=127.0.0.1 port=5433 user=u password='p w' dbname=d options='-c search_path=v2' "
              "sslmode=verify-full connect_timeout=7");
    cr_assert_not_null(target, "%s", error);
    cr_expect_eq(target->host_count, 1);
    cr_expect_str_eq(target->hosts[0].host, "127.0.0.1");
    cr_expect_eq(target->hosts[0].port, 5433);
    cr_expect_str_eq(target->user, "u");
    cr_expect_str_eq(target->password, "p w");
    cr_expect_str_eq(target->database, "d");
    cr_expect_str_eq(target->options, "-c search_path=v2");
    cr_expect(target->has_user && target->has_database);
    cr_expect_eq(target->tls_mode, TLS_VERIFY_FULL);
    cr_expect_eq(target->connect_timeout, 7000000000u);
    target_unref(&target);
    cr_expect_null(target);
}

Test(target, reads_uris_and_hosts_in_order)
{
    struct target *target = parse("postgresql://u@a,b:7,[::1]:8/d?sslmode=require");
    cr_assert_not_null(target, "%s", error);
    cr_assert_eq(target->host_count, 3);
    cr_expect_str_eq(target->hosts[0].host, "a");
    cr_expect_eq(target->hosts[0].port, 5432);
    cr_expect_str_eq(target->hosts[1].host, "b");
    cr_expect_eq(target->hosts[1].port, 7);
    cr_expect_str_eq(target->hosts[2].host, "::1");
    cr_expect_eq(target->hosts[2].port, 8);
    target_unref(&target);
    target = parse("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=9");
    cr_assert_not_null(target, "%s", error);
    cr_expect_str_eq(target->hosts[1].host, "b");
    cr_expect_str_eq(target->hosts[1].address, "10.0.0.2");
    cr_expect_eq(target->hosts[1].port, 9);
    target_unref(&target);
}

Test(target, defaults_are_not_given)
{
    struct target *target = parse("");
    cr_assert_not_null(target, "%s", error);
    cr_expect_not(target->has_user);
    cr_expect_not(target->has_database);
    cr_expect_eq(target->tls_mode, TLS_PREFER);
    cr_expect_eq(target->hosts[0].host[0], '/');
    cr_expect_eq(target->connect_timeout, 0);
    target_unref(&target);
}

Test(target, refuses_what_libpq_refuses)
{
    static const struct {
        const char *string;
        const char *says;
    } cases[] = {
        {"nonsense", "missing \"=\""},  {"no_such_option=1", "no_such_option"},
        {"sslmode=perhaps", "sslmode"}, {"host=a,b port=1,2,3", "could not match"},
        {"port=99999", "port"},         {"service=no_such_service_here", "no_such_service_here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct target *target = parse(cases[i].string);
        cr_expect_null(target, "%s", cases[i].string);
        cr_expect_not_null(strstr(error, cases[i].says), "%s: %s", cases[i].string, error);
        cr_expect_null(strchr(error, '\n'));
        target_unref(&target);
    }
}

Test(target, services_and_passfiles_resolve)
{
    char service[] = "/tmp/pgrehearse-service-XXXXXX";
    char passfile[] = "/tmp/pgrehearse-passfile-XXXXXX";
    close(mkstemp(service));
    close(mkstemp(passfile));
    write_file(service, "[shop]\nhost=db.example\nport=6000\nuser=clerk\ndbname=shop\n");
    write_file(passfile, "db.example:6000:*:clerk:of the clerk\n*:*:shop:boss:of the boss\n");
    setenv("PGSERVICEFILE", service, 1);
    setenv("PGPASSFILE", passfile, 1);
    struct target *target = parse("service=shop");
    cr_assert_not_null(target, "%s", error);
    cr_expect_str_eq(target->hosts[0].host, "db.example");
    cr_expect_eq(target->hosts[0].port, 6000);
    cr_expect(target->has_user && target->has_database);
    cr_expect_str_eq(target->password, "of the clerk");
    static const struct {
        const char *user, *database, *password;
    } cases[] = {
        {"clerk", "other", "of the clerk"},
        {"boss", "shop", "of the boss"},
        {"boss", "other", NULL},
        {"nobody", "shop", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *password = target_password_for(target, cases[i].user, cases[i].database);
        if (cases[i].password == NULL) {
            cr_expect_null(password);
        } else {
            cr_expect_not_null(password);
            cr_expect_str_eq(password, cases[i].password);
        }
        free(password);
    }
    target_unref(&target);
    unlink(service);
    unlink(passfile);
}

Test(target, the_strings_password_is_its_users_alone)
{
    setenv("PGPASSFILE", "/nonexistent", 1);
    struct target *target = parse("host=h user=u password=p");
    cr_assert_not_null(target, "%s", error);
    char *own = target_password_for(target, "u", "d");
    cr_expect_str_eq(own, "p");
    cr_expect_null(target_password_for(target, "v", "d"));
    setenv("PGPASSWORD", "everybody's", 1);
    cr_expect_null(target_password_for(target, "v", "d"));
    free(own);
    target_unref(&target);
}

Test(target, the_worlds_authorities_are_trusted_for_a_name_alone)
{
    struct target *target = parse("host=db.test sslrootcert=system");
    cr_assert_not_null(target, "%s", error);
    cr_expect_eq(target->tls_mode, TLS_VERIFY_FULL);
    target_unref(&target);
    target = parse("host=db.test sslrootcert=system sslmode=verify-full");
    cr_assert_not_null(target, "%s", error);
    target_unref(&target);
    static const char *const weak[] = {"allow", "prefer", "require", "verify-ca"};
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        char string[128];
        snprintf(string, sizeof string, "host=db.test sslrootcert=system sslmode=%s", weak[i]);
        cr_expect_null(parse(string));
        cr_expect_not_null(strstr(error, "weak sslmode"), "%s", error);
    }
}
