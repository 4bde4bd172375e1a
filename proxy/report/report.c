// The subcommand: options, configuration, store, and the format that was asked for.
#include "proxy/report/report.h"
#include "config/units.h"
#include "proxy/report/report_keys.h"
#include "proxy/report/store.h"
#include <stdlib.h>
#include <string.h>

enum { COULD_NOT = 2 };

static const int64_t MINUTE = 60 * (int64_t)1000000;

static const struct format {
    const char *name;
    bool (*write)(FILE *out, const struct report_facts *facts, const struct pictures *pictures);
    bool (*write_keys)(FILE *out, const struct pictures *pictures, size_t *masked);
} formats[] = {{"text", report_text, report_keys_text}, {"json", report_json, report_keys_json}};

static const struct format *
format_of(const char *name)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (name == NULL || strcmp(formats[i].name, name) == 0)
            return &formats[i];
    if (strcmp(name, "html") == 0)
        fprintf(stderr, "pgrehearse: --format html is not available in this version; use text or "
                        "json\n");
    else
        fprintf(stderr, "pgrehearse: --format \"%s\" is not known; use text or json\n", name);
    return NULL;
}

bool
report_read_since(const char *text, int64_t now, int64_t *since)
{
    uint64_t nanoseconds = 0;

    *since = 0;
    if (text == NULL)
        return true;
    if (!units_read_duration(text, &nanoseconds) || nanoseconds == 0) {
        fprintf(stderr, "pgrehearse: --since \"%s\" is not a time; write e.g. 90s, 15m or 1h\n",
                text);
        return false;
    }
    // The store knows the figures by the minute: from the beginning of that one on.
    *since = now - (int64_t)(nanoseconds / 1000);
    *since -= *since % MINUTE;
    if (*since < 1)
        *since = 1;
    return true;
}

// Puts what concerns one fingerprint first, and frees the rest. False: nothing does.
static bool
narrow(struct picture *picture, const char *fingerprint)
{
    size_t figures = 0;
    size_t evidence = 0;

    for (size_t i = 0; i < picture->figure_count; i++) {
        struct figure figure = picture->figures[i];

        if (strcmp(figure.fingerprint, fingerprint) != 0)
            continue;
        picture->figures[i] = picture->figures[figures];
        picture->figures[figures++] = figure;
    }
    for (size_t i = 0; i < picture->evidence_count; i++) {
        struct figures_mismatch mismatch = picture->evidence[i];

        if (strcmp(mismatch.fingerprint, fingerprint) != 0)
            continue;
        picture->evidence[i] = picture->evidence[evidence];
        picture->evidence[evidence++] = mismatch;
    }
    for (size_t i = figures; i < picture->figure_count; i++)
        figure_fini(&picture->figures[i]);
    for (size_t i = evidence; i < picture->evidence_count; i++)
        figures_mismatch_fini(&picture->evidence[i]);
    picture->figure_count = figures;
    picture->evidence_count = evidence;
    return figures > 0 || evidence > 0;
}

// What nobody has SET is as the configuration says.
static void
set_percentages(struct picture *picture, const struct configuration *configuration)
{
    const struct configuration_database *entry =
        configuration_database(configuration, picture->database);

    if (picture->canary_percent == PICTURE_UNSET)
        picture->canary_percent =
            entry == NULL || picture->canary_state == CANARY_LATCHED ? 0 : entry->canary.percent;
    if (picture->shadow_percent == PICTURE_UNSET)
        picture->shadow_percent = entry == NULL ? 0 : entry->shadow.percent;
}

static int
write_report(const struct format *format, const struct report_facts *facts,
             const struct report_options *options, const struct configuration *configuration,
             struct store *store)
{
    struct pictures pictures;
    bool is_found = options->fingerprint == NULL;

    if (!store_read_pictures(store, facts->since, options->database, &pictures)) {
        fprintf(stderr, "pgrehearse: could not read the store \"%s\": %s\n", facts->store,
                store_error(store));
        pictures_fini(&pictures);
        return COULD_NOT;
    }
    if (options->database != NULL && pictures.count == 0) {
        fprintf(stderr, "pgrehearse: the store \"%s\" knows no database \"%s\"\n", facts->store,
                options->database);
        pictures_fini(&pictures);
        return COULD_NOT;
    }
    for (size_t i = 0; options->fingerprint != NULL && i < pictures.count; i++)
        is_found |= narrow(&pictures.list[i], options->fingerprint);
    if (!is_found) {
        fprintf(stderr, "pgrehearse: the store \"%s\" knows no fingerprint \"%s\"\n", facts->store,
                options->fingerprint);
        pictures_fini(&pictures);
        return COULD_NOT;
    }

    for (size_t i = 0; i < pictures.count; i++)
        set_percentages(&pictures.list[i], configuration);

    size_t masked = 0;
    bool ok = (options->keys ? format->write_keys(stdout, &pictures, &masked)
                             : format->write(stdout, facts, &pictures)) &&
              fflush(stdout) == 0;

    if (masked > 0)
        fprintf(stderr,
                "pgrehearse: the keys of %zu rows are masked and not printed\nhint: with "
                "`compare: {keys: full}` those of mismatches to come are kept\n",
                masked);

    pictures_fini(&pictures);
    if (!ok)
        fprintf(stderr, "pgrehearse: the report could not be written\n");
    return ok ? 0 : COULD_NOT;
}

int
report_run(const char *configuration_path, const struct report_options *options)
{
    char error[CONFIGURATION_ERROR_SIZE] = "";
    const struct format *format = format_of(options->format);
    struct report_facts facts = {.generated_at = store_now()};

    if (format == NULL || !report_read_since(options->since, facts.generated_at, &facts.since))
        return COULD_NOT;

    const struct configuration *configuration = configuration_load(configuration_path, error);

    if (configuration == NULL) {
        fprintf(stderr, "pgrehearse: %s\n", error);
        return COULD_NOT;
    }

    char *shown = store_shown(configuration->store);

    facts.store = shown == NULL ? "" : shown;

    struct store *store = store_open_to_read(configuration->store, error, sizeof error);
    int status = COULD_NOT;

    if (store == NULL)
        fprintf(stderr,
                "pgrehearse: %s\nhint: the store is made when `pgrehearse serve` first runs; a "
                "file's path counts from the directory that it runs in\n",
                error);
    else
        status = write_report(format, &facts, options, configuration, store);
    store_close(&store);
    free(shown);
    configuration_unref(&configuration);
    return status;
}
