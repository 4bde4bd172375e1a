// Text of any bytes becomes well-formed UTF-8, and well-formed text stays as it is.
#include "protocol/utf8.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

static const struct {
    const char *text, *repaired;
} cases[] = {
    {"", ""},
    {"plain", "plain"},
    {"Zürich, Łódź, 東京, 🐘", "Zürich, Łódź, 東京, 🐘"},
    {"\x7f\xc2\x80\xdf\xbf", "\x7f\xc2\x80\xdf\xbf"},
    {"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"},
    {"latin: \xfc", "latin: ?"},
    {"cut: \xe6\x9d", "cut: ??"},
    {"cut: \xf0\x9f\x90", "cut: ???"},
    {"\x80\xbf", "??"},
    {"overlong: \xc0\xaf \xe0\x80\xaf", "overlong: ?? ???"},
    {"surrogate: \xed\xa0\x80", "surrogate: ???"},
    {"too high: \xf4\x90\x80\x80 \xf5\x80\x80\x80", "too high: ???? ????"},
    {"\xc3(", "?("},
};

Test(utf8, repairs_what_is_not_well_formed)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s", cases[i].text);
        utf8_repair(text);
        cr_expect(eq(str, text, (char *)cases[i].repaired), "case %zu", i);
    }
}
