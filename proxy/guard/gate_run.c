// The subcommand: limits from the configuration and the options over them, figures out of the store, a line a reason.
// Latencies are those of shapes that have been compared, so that both sides have the same ones. Shapes that
// never were are named, and close nothing by themselves: `min_coverage` does.
#include "proxy/guard/gate_run.h"
#include "proxy/guard/gate.h"
#include "proxy/report/picture.h"
#include "proxy/report/report.h"
#include "proxy/report/store.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPEN, CLOSED, COULD_NOT };
enum { NAMED_MOST = 20, QUERY_MOST = 120 };

struct gate_request {
    const struct configuration *configuration;
    const char *const *options;
    struct configuration_gate given; // where an option was
    int64_t since;
};

// ---- options ----

static const struct {
    const char *name;
    size_t offset; // in struct configuration_gate
    bool is_count;
    double above,
        below; // of a number: it lies between them, or is one of them where that makes sense
} numbers[GATE_OPTIONS] = {
    [GATE_OPTION_MIN_COMPARISONS] = {"min-comparisons",
                                     offsetof(struct configuration_gate, min_comparisons), true, 0,
                                     0},
    [GATE_OPTION_MAX_MISMATCH_RATE] = {"max-mismatch-rate",
                                       offsetof(struct configuration_gate, max_mismatch_rate),
                                       false, 1e-12, 1},
    [GATE_OPTION_CONFIDENCE] = {"confidence", offsetof(struct configuration_gate, confidence),
                                false, 0.5, 1 - 1e-12},
    [GATE_OPTION_MAX_LATENCY_RATIO] = {"max-latency-ratio",
                                       offsetof(struct configuration_gate, max_latency_ratio),
                                       false, 0.1, 1e6},
    [GATE_OPTION_MIN_COVERAGE] = {"min-coverage", offsetof(struct configuration_gate, min_coverage),
                                  false, 0, 1},
    [GATE_OPTION_MIN_DISTINCT] = {"min-distinct", offsetof(struct configuration_gate, min_distinct),
                                  true, 0, 0},
};

static bool
read_number(int option, const char *text, struct configuration_gate *given)
{
    char *field = (char *)given + numbers[option].offset;
    char *end;

    errno = 0;
    if (numbers[option].is_count) {
        *(uint64_t *)field = strtoull(text, &end, 10);
        if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0)
            return true;
        fprintf(stderr, "pgrehearse: --%s \"%s\" is not a whole number\n", numbers[option].name,
                text);
        return false;
    }

    double value = strtod(text, &end);

    *(double *)field = value;
    if (end != text && *end == '\0' && value >= numbers[option].above &&
        value <= numbers[option].below)
        return true;
    fprintf(stderr,
            "pgrehearse: --%s \"%s\" is not a number that the gate can meet; give %.3g to %.3g\n",
            numbers[option].name, text, numbers[option].above, numbers[option].below);
    return false;
}

static bool
read_options(struct gate_request *request)
{
    for (int option = 0; option < GATE_OPTIONS; option++)
        if (numbers[option].name != NULL && request->options[option] != NULL &&
            !read_number(option, request->options[option], &request->given))
            return false;
    return report_read_since(request->options[GATE_OPTION_SINCE], store_now(), &request->since);
}

static struct configuration_gate
limits_of(const struct gate_request *request, const struct configuration_database *entry)
{
    struct configuration_gate limits = entry->gate;

    for (int option = 0; option < GATE_OPTIONS; option++)
        if (numbers[option].name != NULL && request->options[option] != NULL)
            // Every limit is eight bytes, a count or a number.
            memcpy((char *)&limits + numbers[option].offset,
                   (const char *)&request->given + numbers[option].offset, sizeof(uint64_t));
    return limits;
}

// ---- figures ----

static struct latency_ratio
ratio_of(const struct picture *picture)
{
    struct histogram sums[2][LATENCY_RUN_COUNT];
    struct histogram *latency[2][LATENCY_RUN_COUNT];

    memset(sums, 0, sizeof sums);
    for (int side = 0; side < 2; side++)
        for (int run = 0; run < LATENCY_RUN_COUNT; run++) {
            latency[side][run] = &sums[side][run];
            for (size_t i = 0; i < picture->figure_count; i++) {
                const struct figure *figure = &picture->figures[i];

                if (figure_covered(figure) > 0 && figure->latency[side][run] != NULL)
                    histogram_merge(&sums[side][run], figure->latency[side][run]);
            }
        }
    return latency_ratio_at(latency, 0.95);
}

static struct gate_figures
figures_of(const struct gate_request *request, const struct picture *picture)
{
    struct latency_ratio ratio = ratio_of(picture);
    const struct books_page *books = &picture->books;
    uint64_t mismatches = books->verdicts[VERDICT_MISMATCH];
    uint64_t accepted = books->accepted < mismatches ? books->accepted : mismatches;
    struct gate_figures figures = {
        .is_latched = picture->canary_state == CANARY_LATCHED,
        .reads = books->reads,
        .mismatches = mismatches - accepted,
        .distinct = picture->totals.distinct,
        .latency_ratio = ratio.ratio,
        .latency_compares = ratio.compares,
        // What new only ran as a mirror was measured otherwise than what old served: asked for, it counts.
        .is_latency_judged = request->options[GATE_OPTION_MAX_LATENCY_RATIO] != NULL ||
                             (ratio.compares != NULL && strcmp(ratio.compares, "mixed") != 0),
    };

    for (int i = 0; i < VERDICT_COUNT; i++)
        if (verdict_is_covered((enum verdict)i))
            figures.covered += books->verdicts[i];
    return figures;
}

// ---- what is printed ----

// Why most of its reads were not compared.
static const char *
reason_of(const struct figure *figure)
{
    const char *reason = "no verdict";
    uint64_t most = 0;

    for (int i = SKIP_NONE + 1; i < SKIP_COUNT; i++)
        if (figure->skipped[i] > most) {
            most = figure->skipped[i];
            reason = skip_reason_name((enum skip_reason)i);
        }
    for (int i = DROP_NONE + 1; i < DROP_COUNT; i++)
        if (figure->dropped[i] > most) {
            most = figure->dropped[i];
            reason = drop_reason_name((enum drop_reason)i);
        }
    return reason;
}

static void
print_uncompared(const struct picture *picture)
{
    size_t count = 0;

    for (size_t i = 0; i < picture->figure_count; i++) {
        const struct figure *figure = &picture->figures[i];

        if (figure->reads == 0 || figure_covered(figure) > 0 || count++ >= NAMED_MOST)
            continue;
        printf("note    %s  never_compared %s: %" PRIu64 " reads, %s: %.*s%s\n", picture->database,
               figure->fingerprint[0] ? figure->fingerprint : "-", figure->reads, reason_of(figure),
               QUERY_MOST, figure->query, strlen(figure->query) > QUERY_MOST ? "…" : "");
    }
    if (count > NAMED_MOST)
        printf("note    %s  never_compared: and %zu more; `pgrehearse report` lists them\n",
               picture->database, count - NAMED_MOST);
}

static bool
judge(const struct gate_request *request, const struct picture *picture)
{
    const struct configuration_database *entry =
        configuration_database(request->configuration, picture->database);
    struct configuration_gate limits = limits_of(request, entry);
    struct gate_figures figures = figures_of(request, picture);
    unsigned reasons = gate_decide(&limits, &figures);
    char text[512];

    for (int i = 0; i < GATE_REASONS; i++)
        if ((reasons & 1u << i) != 0) {
            gate_reason_text((enum gate_reason)i, &limits, &figures, text, sizeof text);
            printf("reason  %s  %s: %s\n", picture->database, gate_reason_name((enum gate_reason)i),
                   text);
        }
    print_uncompared(picture);
    gate_figures_text(&limits, &figures, text, sizeof text);
    printf("%s  %s  %s\n", reasons == 0 ? "open  " : "closed", picture->database, text);
    return reasons == 0;
}

// ---- which databases ----

static bool
is_in(const struct pictures *pictures, const char *database)
{
    for (size_t i = 0; i < pictures->count; i++)
        if (strcmp(pictures->list[i].database, database) == 0)
            return true;
    return false;
}

// Those that are configured by name and of which the store knows nothing are asked for all the same.
static void
add_unknown(const struct gate_request *request, struct pictures *pictures)
{
    const char *wanted = request->options[GATE_OPTION_DATABASE];

    for (size_t i = 0; i < request->configuration->database_count; i++) {
        const char *name = request->configuration->databases[i].name;

        if (strcmp(name, "*") != 0 && (wanted == NULL || strcmp(name, wanted) == 0) &&
            !is_in(pictures, name))
            (void)pictures_add(pictures, name);
    }
    if (wanted != NULL && !is_in(pictures, wanted)) // of '*'
        (void)pictures_add(pictures, wanted);
}

static int
judge_all(const struct gate_request *request, struct store *store)
{
    const char *wanted = request->options[GATE_OPTION_DATABASE];
    struct pictures pictures;
    int status = OPEN;

    if (!store_read_pictures(store, request->since, wanted, &pictures)) {
        fprintf(stderr, "pgrehearse: could not read the store \"%s\": %s\n",
                request->configuration->store, store_error(store));
        pictures_fini(&pictures);
        return COULD_NOT;
    }
    add_unknown(request, &pictures);
    for (size_t i = 0; i < pictures.count; i++)
        if (configuration_database(request->configuration, pictures.list[i].database) != NULL &&
            !judge(request, &pictures.list[i]))
            status = CLOSED;
    if (pictures.failed || fflush(stdout) != 0 || ferror(stdout)) {
        fputs("pgrehearse: the answer could not be written\n", stderr);
        status = COULD_NOT;
    } else if (pictures.count == 0) {
        fputs("pgrehearse: the store knows no database yet\n", stderr);
        status = COULD_NOT;
    }
    pictures_fini(&pictures);
    return status;
}

int
gate_run(const char *configuration_path, const char *const options[GATE_OPTIONS])
{
    char error[CONFIGURATION_ERROR_SIZE] = "";
    struct gate_request request = {.options = options};
    const char *wanted = options[GATE_OPTION_DATABASE];
    int status = COULD_NOT;

    if (!read_options(&request))
        return COULD_NOT;
    request.configuration = configuration_load(configuration_path, error);
    if (request.configuration == NULL) {
        fprintf(stderr, "pgrehearse: %s\n", error);
        return COULD_NOT;
    }
    if (wanted != NULL && configuration_database(request.configuration, wanted) == NULL) {
        fprintf(stderr, "pgrehearse: %s has no database \"%s\"\n", configuration_path, wanted);
        configuration_unref(&request.configuration);
        return COULD_NOT;
    }

    struct store *store = store_open_to_read(request.configuration->store, error, sizeof error);

    if (store == NULL)
        fprintf(stderr, "pgrehearse: %s\n", error);
    else
        status = judge_all(&request, store);
    store_close(&store);
    configuration_unref(&request.configuration);
    return status;
}
