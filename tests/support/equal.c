// equal CONNINFO: reads the catalogs of a server, then pairs of values from standard input, one a
// line: old's type, new's type, a rule's `as` (0: none), old's text and binary output, new's; in
// hexadecimal, "-" where there is none. Prints for each line whether they are equal as the
// comparator sees it, for text/text, text/binary, binary/text, binary/binary: 1, 0, or - where a
// side has no such output.
#include "compare/type.h"
#include "proxy/control/catalog_load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct output {
    char *word;
    uint8_t *bytes;
    size_t length;
};

static int
digit(char byte)
{
    return byte <= '9' ? byte - '0' : byte - 'a' + 10;
}

static void
decode(struct output *output)
{
    output->length = strlen(output->word) / 2;
    output->bytes = (uint8_t *)output->word;
    for (size_t i = 0; i < output->length; i++)
        output->bytes[i] =
            (uint8_t)(digit(output->word[2 * i]) << 4 | digit(output->word[2 * i + 1]));
}

static void
answer(char *line, const struct type_resolver *types)
{
    struct output outputs[4]; // old's text and binary, new's
    char *rest = line;
    uint32_t oids[2];
    for (int i = 0; i < 2; i++)
        oids[i] = (uint32_t)strtoul(strsep(&rest, " "), NULL, 10);
    struct type_rules rules = {.old_types = types, .new_types = types};
    rules.as = (enum type_as)strtoul(strsep(&rest, " "), NULL, 10);
    for (int i = 0; i < 4; i++) {
        outputs[i].word = strsep(&rest, " ");
        if (strcmp(outputs[i].word, "-") == 0)
            outputs[i].word = NULL;
        else
            decode(&outputs[i]);
    }
    for (int i = 0; i < 4; i++) {
        const struct output *one = &outputs[i / 2], *other = &outputs[2 + i % 2];
        struct cell cells[2] = {
            {.bytes = one->bytes, .length = one->length, .type = oids[0], .format = i / 2 == 1},
            {.bytes = other->bytes, .length = other->length, .type = oids[1], .format = i % 2 == 1},
        };
        if (one->word == NULL || other->word == NULL)
            putchar('-');
        else
            putchar(type_equal(&cells[0], &cells[1], &rules) ? '1' : '0');
    }
    putchar('\n');
}

int
main(int argc, char **argv)
{
    struct catalog *catalog;
    char error[512];
    PGconn *connection = PQconnectdb(argc > 1 ? argv[1] : "");
    if (PQstatus(connection) != CONNECTION_OK ||
        catalog_load(connection, NULL, &catalog, error, sizeof(error)) != CATALOG_LOADED) {
        fprintf(stderr, "%s%s\n", PQerrorMessage(connection), error);
        return 2;
    }
    PQfinish(connection);
    struct type_resolver types = catalog_type_resolver(catalog);
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, stdin)) > 0) {
        line[strcspn(line, "\n")] = 0;
        answer(line, &types);
    }
    free(line);
    catalog_unref(&catalog);
    return 0;
}
