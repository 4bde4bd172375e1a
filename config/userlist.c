// Reads userlist.txt anew for every look-up: logins are rare, and a changed file needs no reload. What
// was read is wiped.
#include "config/userlist.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A quoted word from *at on, doubled quotes taken off in place. NULL: there is none.
static char *
quoted(char **at)
{
    char *from = *at + strspn(*at, " \t");

    if (*from != '"')
        return NULL;

    char *word = ++from;
    char *to = from;

    for (; *from != '\0'; from++) {
        if (*from == '"' && *++from != '"') {
            *to = '\0';
            *at = from;
            return word;
        }
        *to++ = *from;
    }
    return NULL;
}

// False: the line is malformed.
static bool
look_at(char *line, const char *user, char **secret)
{
    char *at = line + strspn(line, " \t\r\n");

    if (*at == '\0' || *at == ';' || *at == '#')
        return true;

    char *name = quoted(&at);
    char *word = name == NULL ? NULL : quoted(&at);

    if (word == NULL)
        return false;
    if (*secret == NULL && strcmp(name, user) == 0)
        *secret = strdup(word);
    return true;
}

bool
userlist_find(const char *path, const char *user, char **secret, char *error, size_t error_size)
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t capacity = 0;
    unsigned number = 0;
    bool ok = true;

    *secret = NULL;
    if (file == NULL) {
        snprintf(error, error_size, "could not open \"%s\": %s", path, strerror(errno));
        return false;
    }
    while (ok && getline(&line, &capacity, file) >= 0) {
        number++;
        ok = look_at(line, user, secret);
    }
    if (!ok) {
        snprintf(error, error_size, "%s:%u: expected \"user\" \"secret\"", path, number);
        if (*secret != NULL) { // it stood on a line before
            explicit_bzero(*secret, strlen(*secret));
            free(*secret);
            *secret = NULL;
        }
    }
    if (line != NULL)
        explicit_bzero(line, capacity);
    free(line);
    fclose(file);
    return ok;
}
