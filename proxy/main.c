// The command line: finds the subcommand and runs it. Exit 0: fine; 1: the answer is no; 2: could not
// run (bad usage, bad configuration, unreachable).
#include "compare/type.h"
#include "proxy/check/check.h"
#include "proxy/guard/gate_run.h"
#include "proxy/report/report.h"
#include "proxy/serve.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static int run_serve(int argc, char **argv);
static int run_check(int argc, char **argv);
static int run_report(int argc, char **argv);
static int run_gate(int argc, char **argv);
static int run_types(int argc, char **argv);

struct subcommand {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv); // argv[0] is the subcommand's name
};

static const struct subcommand subcommands[] = {
    {"serve", "runs the proxy in the foreground", run_serve},
    {"check", "validates the configuration, connects to both sides, names hazards", run_check},
    {"report", "the mismatch report, from the store", run_report},
    {"gate", "may the migration take its next step?", run_gate},
    {"types", "how values of each type are compared, as a table", run_types},
};

enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]) };

static const char serve_help[] =
    "Usage: pgrehearse serve -c FILE\n"
    "\n"
    "Runs the proxy in the foreground with the configuration FILE and logs to stderr.\n"
    "\n"
    "  -c, --config FILE  the configuration (YAML)\n"
    "  -h, --help         shows this\n"
    "\n"
    "SIGHUP reads FILE again; a bad file is refused whole. SIGTERM and SIGINT end the clients'\n"
    "sessions between two queries and exit; a second one ends them at once.\n"
    "PGREHEARSE_LOG=debug|info|warning|error sets what is logged.\n";

static const char check_help[] =
    "Usage: pgrehearse check -c FILE [--format FORMAT]\n"
    "\n"
    "Validates the configuration FILE, connects to both sides of each database, and prints what\n"
    "would make the comparison wrong or incomplete: relations, columns, types and functions that\n"
    "differ, roles and their rights, who gets in on new, collations, settings, TLS, the lag "
    "probe.\n"
    "A line a finding, the gravest first:\n"
    "\n"
    "    SEVERITY DATABASE  KIND  SUBJECT: DETAIL  \342\206\222 WHAT TO DO\n"
    "\n"
    "error: forbids to rely on the figures. warning: results may differ, or reads go uncompared.\n"
    "note: good to know. The last line of each database says whether it is fit.\n"
    "It only reads, but logs in once on each side as each role that may connect to old (50 at "
    "most).\n"
    "\n"
    "  -c, --config FILE    the configuration (YAML)\n"
    "      --format FORMAT  text (the default; at most 10 of a kind) or json (all)\n"
    "  -h, --help           shows this\n"
    "\n"
    "Exit: 0 fine, 1 an error was found, 2 bad usage or configuration, or a side out of reach.\n";

// The subcommands that take the configuration alone. -1: *path is the file; else the exit status.
static int
read_path(int argc, char **argv, const char *help, const char **path)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;
    *path = NULL;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (option != 'c') {
            fputs(help, stderr);
            return 2;
        }
        *path = optarg;
    }
    if (!*path || optind != argc) {
        fputs(help, stderr);
        return 2;
    }
    return -1;
}

static int
run_serve(int argc, char **argv)
{
    const char *path;
    int status = read_path(argc, argv, serve_help, &path);
    return status >= 0 ? status : serve_run(path);
}

static int
run_check(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"format", required_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *path = NULL, *format = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'f':
            format = optarg;
            break;
        case 'h':
            fputs(check_help, stdout);
            return 0;
        default:
            fputs(check_help, stderr);
            return 2;
        }
    }
    if (!path || optind != argc) {
        fputs(check_help, stderr);
        return 2;
    }
    return check_run(path, format);
}

static const char report_help[] =
    "Usage: pgrehearse report -c FILE [OPTIONS]\n"
    "\n"
    "Prints the mismatch report from the store that the configuration FILE names. The proxy may "
    "be\n"
    "running or not.\n"
    "\n"
    "  -c, --config FILE     the configuration (YAML)\n"
    "      --format FORMAT   text (the default) or json\n"
    "      --since DURATION  only what is newer, e.g. 30m, 1h\n"
    "      --database NAME   only this database\n"
    "      --fingerprint F   only this query shape (16 hex digits)\n"
    "      --keys            instead of the report the keys of rows that differ, for a repair: a "
    "line each,\n"
    "                        database, table, columns, values, class, last seen (see "
    "compare.keys)\n"
    "  -h, --help            shows this\n"
    "\n"
    "Exit: 0 printed, 2 bad usage or configuration, or no store to report from.\n";

static int
run_report(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"format", required_argument, NULL, 'f'},
        {"since", required_argument, NULL, 's'},
        {"database", required_argument, NULL, 'd'},
        {"fingerprint", required_argument, NULL, 'p'},
        {"keys", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct report_options wanted = {0};
    const char *path = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'f':
            wanted.format = optarg;
            break;
        case 's':
            wanted.since = optarg;
            break;
        case 'd':
            wanted.database = optarg;
            break;
        case 'p':
            wanted.fingerprint = optarg;
            break;
        case 'k':
            wanted.keys = true;
            break;
        case 'h':
            fputs(report_help, stdout);
            return 0;
        default:
            fputs(report_help, stderr);
            return 2;
        }
    }
    if (!path || optind != argc) {
        fputs(report_help, stderr);
        return 2;
    }
    return report_run(path, &wanted);
}

static const char gate_help[] =
    "Usage: pgrehearse gate -c FILE [OPTIONS]\n"
    "\n"
    "May the migration take its next step? Judges what the store holds, by the limits under\n"
    "`gate:` in the configuration FILE, as the ramp does; the proxy may be running or not.\n"
    "A line a reason against it, a note for each query that was never compared, and a last line\n"
    "for each database, open or closed, with its figures.\n"
    "\n"
    "  -c, --config FILE          the configuration (YAML)\n"
    "      --database NAME        only this database\n"
    "      --since DURATION       only what is newer, e.g. 30m, 1h\n"
    "      --min-comparisons N    fewer decide nothing\n"
    "      --max-mismatch-rate R  that the upper bound of the rate must not pass\n"
    "      --confidence C         of that bound, e.g. 0.95\n"
    "      --max-latency-ratio X  of new's 95th percentile to old's; given here, it is judged also "
    "where\n"
    "                             new has only run mirrored reads, which are measured longer\n"
    "      --min-coverage C       part of the reads that were compared to a verdict\n"
    "      --min-distinct N       different statements with their parameters\n"
    "  -h, --help                 shows this\n"
    "\n"
    "Exit: 0 open, 1 closed, 2 bad usage or configuration, or no store to judge by.\n";

static int
run_gate(int argc, char **argv)
{
    static const struct option options[] = {
        {"since", required_argument, NULL, GATE_OPTION_SINCE},
        {"database", required_argument, NULL, GATE_OPTION_DATABASE},
        {"min-comparisons", required_argument, NULL, GATE_OPTION_MIN_COMPARISONS},
        {"max-mismatch-rate", required_argument, NULL, GATE_OPTION_MAX_MISMATCH_RATE},
        {"confidence", required_argument, NULL, GATE_OPTION_CONFIDENCE},
        {"max-latency-ratio", required_argument, NULL, GATE_OPTION_MAX_LATENCY_RATIO},
        {"min-coverage", required_argument, NULL, GATE_OPTION_MIN_COVERAGE},
        {"min-distinct", required_argument, NULL, GATE_OPTION_MIN_DISTINCT},
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *given[GATE_OPTIONS] = {NULL};
    const char *path = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        if (option >= 0 && option < GATE_OPTIONS) {
            given[option] = optarg;
        } else if (option == 'c') {
            path = optarg;
        } else {
            fputs(gate_help, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    if (!path || optind != argc) {
        fputs(gate_help, stderr);
        return 2;
    }
    return gate_run(path, given);
}

static int
run_types(int argc, char **argv)
{
    if (argc != 1) {
        fputs("Usage: pgrehearse types\n\nPrints how values of each type are compared, in "
              "Markdown.\n",
              strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    struct writer text;
    writer_init(&text);
    type_document(&text);
    bool is_printed = !text.failed && fwrite(text.bytes, 1, text.length, stdout) == text.length;
    writer_fini(&text);
    return is_printed ? 0 : 2;
}

static void
print_help(FILE *to)
{
    fputs("Usage: pgrehearse SUBCOMMAND [OPTIONS]\n"
          "\n"
          "A proxy for PostgreSQL migrations: it sends everything to the old representation, "
          "replays\n"
          "the reads against the new one, compares, and says how often and where they differ.\n"
          "\n",
          to);
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        fprintf(to, "  %-8s %s\n", subcommands[i].name, subcommands[i].summary);
    }
    fputs("\n"
          "  --help     shows this; after a subcommand, its own\n"
          "  --version  shows the version\n",
          to);
}

int
main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        puts("pgrehearse " PGREHEARSE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(name, subcommands[i].name) == 0) {
            return subcommands[i].run(argc - 1, argv + 1);
        }
    }
    if (name[0] != '\0') {
        fprintf(stderr, "pgrehearse: there is no subcommand \"%s\"\n\n", name);
    }
    print_help(stderr);
    return 2;
}
