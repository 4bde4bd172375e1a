// The lexer and libpg_query read bytes over 127 as letters, which holds for UTF-8 and for single-byte
// encodings; in SJIS, BIG5, GBK and their kin the second byte of a character may be a backslash or a bracket.
// All of them are converted by iconv, so that names are found in the catalogs, too, and people can read them.
//
// SQL_ASCII and MULE_INTERNAL are left alone. Any thread.
#include "proxy/shadow/encoding.h"
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *postgres, *iconv;
} names[] = {
    {"LATIN1", "ISO-8859-1"},
    {"LATIN2", "ISO-8859-2"},
    {"LATIN3", "ISO-8859-3"},
    {"LATIN4", "ISO-8859-4"},
    {"LATIN5", "ISO-8859-9"},
    {"LATIN6", "ISO-8859-10"},
    {"LATIN7", "ISO-8859-13"},
    {"LATIN8", "ISO-8859-14"},
    {"LATIN9", "ISO-8859-15"},
    {"LATIN10", "ISO-8859-16"},
    {"ISO_8859_5", "ISO-8859-5"},
    {"ISO_8859_6", "ISO-8859-6"},
    {"ISO_8859_7", "ISO-8859-7"},
    {"ISO_8859_8", "ISO-8859-8"},
    {"WIN1250", "CP1250"},
    {"WIN1251", "CP1251"},
    {"WIN1252", "CP1252"},
    {"WIN1253", "CP1253"},
    {"WIN1254", "CP1254"},
    {"WIN1255", "CP1255"},
    {"WIN1256", "CP1256"},
    {"WIN1257", "CP1257"},
    {"WIN1258", "CP1258"},
    {"WIN866", "CP866"},
    {"WIN874", "CP874"},
    {"KOI8R", "KOI8-R"},
    {"KOI8U", "KOI8-U"},
    {"EUC_JP", "EUC-JP"},
    {"EUC_JIS_2004", "EUC-JISX0213"},
    {"EUC_CN", "EUC-CN"},
    {"EUC_KR", "EUC-KR"},
    {"EUC_TW", "EUC-TW"},
    {"SJIS", "CP932"},
    {"SHIFT_JIS_2004", "SHIFT_JISX0213"},
    {"BIG5", "CP950"},
    {"GBK", "GBK"},
    {"GB18030", "GB18030"},
    {"UHC", "CP949"},
    {"JOHAB", "JOHAB"},
};

static const char *
name_of(const char *encoding)
{
    for (size_t i = 0; encoding && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(names[i].postgres, encoding) == 0)
            return names[i].iconv;
    return NULL;
}

static bool
is_ascii(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)bytes[i] > 127)
            return false;
    return true;
}

static void
convert(struct encoded *text, const char *to, const char *from, const char *bytes, size_t length)
{
    *text = (struct encoded){.text = bytes, .length = length};
    iconv_t conversion = iconv_open(to, from);
    if (conversion == (iconv_t)-1)
        return;
    size_t room = length * 4, left = length; // four bytes are the most that a character takes
    char *converted = malloc(room + 1), *out = converted, *in = (char *)(size_t)bytes;
    if (converted && iconv(conversion, &in, &left, &out, &room) != (size_t)-1 && left == 0 &&
        iconv(conversion, NULL, NULL, &out, &room) != (size_t)-1) {
        *out = '\0';
        text->text = text->converted = converted;
        text->length = (size_t)(out - converted);
        converted = NULL;
    }
    free(converted);
    iconv_close(conversion);
}

void
encoding_read(struct encoded *text, const char *encoding, const char *bytes, size_t length)
{
    const char *name = name_of(encoding);
    if (name && !is_ascii(bytes, length))
        convert(text, "UTF-8", name, bytes, length);
    else
        *text = (struct encoded){.text = bytes, .length = length};
}

void
encoding_write(struct encoded *text, const char *encoding, const char *utf8, size_t length)
{
    const char *name = name_of(encoding);
    if (name && !is_ascii(utf8, length))
        convert(text, name, "UTF-8", utf8, length);
    else
        *text = (struct encoded){.text = utf8, .length = length};
}

void
encoding_fini(struct encoded *text)
{
    free(text->converted);
    *text = (struct encoded){0};
}
