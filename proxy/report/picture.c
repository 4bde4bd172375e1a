// Pictures, wherever they come from: of the running proxy in picture_live.c, out of the store in
// store_pictures.c.
#include "proxy/report/picture.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct picture *
pictures_add(struct pictures *pictures, const char *database)
{
    struct picture *list = realloc(pictures->list, (pictures->count + 1) * sizeof *pictures->list);

    if (list == NULL) {
        pictures->failed = true;
        return NULL;
    }
    pictures->list = list;

    struct picture *picture = &list[pictures->count];

    memset(picture, 0, sizeof *picture);
    picture->lag_seconds = NAN;
    picture->lag_probe = "";
    picture->database = strdup(database);
    if (picture->database == NULL) {
        pictures->failed = true;
        return NULL;
    }
    pictures->count++;
    return picture;
}

void
pictures_fini(struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++) {
        free(pictures->list[i].database);
        figures_copy_free(&pictures->list[i].figures, pictures->list[i].figure_count);
        figures_evidence_free(&pictures->list[i].evidence, pictures->list[i].evidence_count);
    }
    free(pictures->list);
    memset(pictures, 0, sizeof *pictures);
}
