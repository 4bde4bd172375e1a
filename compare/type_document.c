// The tables of types as a document for people, in Markdown: what `pgrehearse types` prints and
// compare/TYPES.md holds. Pure, any thread.
#include "compare/type.h"
#include "compare/type_family.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *equality;
} families[] = {
#define FAMILY(NAME, read_text, read_binary, print, equality)                                      \
    [TYPE_FAMILY_##NAME] = {#NAME, equality},
#include "compare/type_family.tbl"
#undef FAMILY
};

static const struct {
    uint32_t oid, element;
    const char *name;
    enum type_family family;
} types[] = {
#define TYPE(oid, name, FAMILY, element) {oid, element, #name, TYPE_FAMILY_##FAMILY},
#include "compare/type.tbl"
#undef TYPE
};

static const char head[] =
    "# Types, and how their values are equal\n"
    "\n"
    "Printed by `pgrehearse types`. NULL equals NULL alone, equal bytes are equal, else the "
    "family\n"
    "says it. Text and binary output compare with each other unless the family is OPAQUE.\n"
    "\n"
    "Of types that are not in the table the two catalogs tell: an enum and citext are read as "
    "text, a\n"
    "domain as its base type, hstore as HSTORE, a composite as a RECORD of its fields' types, a "
    "range as\n"
    "a RANGE of its subtype, an array as an ARRAY of its elements' type. Others that users define "
    "are\n"
    "OPAQUE. A RECORD that has no name, ROW(…), is compared by field in binary output, else as "
    "text.\n"
    "\n"
    "Not across the formats: the reg… types, whose binary output is an OID, which names nothing "
    "on the\n"
    "other side and which no text has; statistics and index summaries of the system catalogs. "
    "money\n"
    "shows its currency and its decimal point only in text, as lc_monetary says; across the "
    "formats\n"
    "digits and sign are compared, which are the same everywhere. aclitem has no binary output.\n";

static void
say(struct writer *text, const char *words)
{
    writer_bytes(text, words, strlen(words));
}

static void
document_types(struct writer *text)
{
    say(text, "\n## Types\n\n| OID | type | family | elements | equal |\n"
              "| ---: | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char line[256];
        const char *element = types[i].element != 0 ? type_name(types[i].element) : "";
        int length = snprintf(line, sizeof line, "| %" PRIu32 " | %s | %s | %s | %s |\n",
                              types[i].oid, types[i].name, families[types[i].family].name, element,
                              families[types[i].family].equality);
        writer_bytes(text, line, (size_t)length);
    }
}

static void
document_meetings(struct writer *text)
{
    enum type_family one, other, as;
    say(text, "\n## Changed types\n\nTypes of one family meet in it: every width of integer and "
              "numeric, json and jsonb,\nvarchar and text, and arrays and ranges of such. Families "
              "that meet though they differ:\n\n| one | other | equal as |\n| --- | --- | --- |\n");
    for (size_t i = 0; type_meeting(i, &one, &other, &as); i++) {
        char line[128];
        int length = snprintf(line, sizeof line, "| %s | %s | %s |\n", families[one].name,
                              families[other].name, families[as].name);
        writer_bytes(text, line, (size_t)length);
    }
    say(text, "\nAll others meet as text output. A rule's `as:` says otherwise: timestamp and\n"
              "timestamptz by `instant`, boolean and integer by `boolean`.\n");
}

void
type_document(struct writer *text)
{
    say(text, head);
    document_types(text);
    document_meetings(text);
}
