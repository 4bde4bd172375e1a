// The options of `pgrehearse report`.
#include "proxy/report.h"
#include <getopt.h>

static const char help[] =
    "Usage: pgrehearse report -c FILE [OPTIONS]\n"
    "\n"
    "Prints the mismatch report from the store, while the proxy runs and after it stopped.\n"
    "\n"
    "  -c, --config FILE    the configuration (YAML)\n"
    "  --format FORMAT      text (the default) or json\n"
    "  --since TIME         only what happened since then, e.g. 90s, 15m, 1h\n"
    "  --database NAME      only this database\n"
    "  --fingerprint F      only this query\n"
    "  -h, --help           shows this\n"
    "\n"
    "Exit: 0 fine, 2 bad usage, or nothing to report from.\n";

int
report_command(int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"format", required_argument, NULL, 'f'},
        {"since", required_argument, NULL, 's'},
        {"database", required_argument, NULL, 'd'},
        {"fingerprint", required_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct report_options options = {0};
    const char *path = NULL;
    int option;

    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 'f':
            options.format = optarg;
            break;
        case 's':
            options.since = optarg;
            break;
        case 'd':
            options.database = optarg;
            break;
        case 'p':
            options.fingerprint = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            fputs(help, stderr);
            return 2;
        }
    }
    if (path == NULL || optind != argc) {
        fputs(help, stderr);
        return 2;
    }
    return report_run(path, &options);
}
