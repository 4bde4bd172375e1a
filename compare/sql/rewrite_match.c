// Which `to` is meant for a statement: by a glob over its fingerprint, or by a LIKE pattern over the normalised
// statement, as SHOW QUERIES shows it.
#include "compare/sql/rewrite_parts.h"
#include <fnmatch.h>
#include <string.h>

// SQL's LIKE, bytewise: % is anything, _ one byte, \ takes the next as it is. Greedy with one point of return.
static bool
is_like(const char *text, const char *pattern)
{
    const char *again_text = NULL, *again_pattern = NULL;
    while (*text != '\0') {
        if (*pattern == '%') {
            again_pattern = ++pattern;
            again_text = text;
            continue;
        }
        const char *plain = *pattern == '\\' && pattern[1] != '\0' ? pattern + 1 : pattern;
        bool is_any = *pattern == '_';
        if (*pattern != '\0' && (is_any || *plain == *text)) {
            pattern = plain + 1;
            text++;
        } else if (again_pattern != NULL) {
            pattern = again_pattern;
            text = ++again_text;
        } else {
            return false;
        }
    }
    while (*pattern == '%')
        pattern++;
    return *pattern == '\0';
}

const struct rewrite *
rewrite_match(const struct rewrites *rewrites, const struct rewrite_subject *subject)
{
    for (size_t i = 0; i < rewrites->count; i++) {
        const struct rewrite *rewrite = &rewrites->list[i];
        if (rewrite->to == NULL)
            continue;
        if (rewrite->fingerprint != NULL
                ? fnmatch(rewrite->fingerprint, subject->fingerprint, 0) == 0
                : rewrite->like != NULL && is_like(subject->query, rewrite->like))
            return rewrite;
    }
    return NULL;
}
