// Any bytes as json and as jsonb: no crash; a value equals itself and its two formats each other.
#include "compare/type.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct type_rules rules = {.float_tolerance = 0};
    struct type_pair pair;
    struct writer forms[2];
    struct cell json = {.bytes = data, .length = size, .type = 114};
    struct cell jsonb = {.bytes = data, .length = size, .type = 3802};
    if (size == 0)
        return 0;
    writer_init(&forms[0]);
    writer_init(&forms[1]);
    type_pair_init(&pair, json.type, jsonb.type, &rules);
    type_pair_form(&pair, &json, false, &forms[0]);
    type_pair_form(&pair, &jsonb, true, &forms[1]);
    if (!type_pair_forms_agree(&pair, forms[0].bytes, forms[0].length, forms[1].bytes,
                               forms[1].length))
        abort();
    writer_clear(&forms[1]);
    jsonb.format = 1;
    type_pair_form(&pair, &jsonb, true, &forms[1]);
    writer_fini(&forms[0]);
    writer_fini(&forms[1]);
    return 0;
}
