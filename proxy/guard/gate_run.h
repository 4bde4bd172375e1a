// `pgrehearse gate`: the gate's decision out of the store, for scripts and CI. Works while the proxy runs and after.
#ifndef PROXY_GUARD_GATE_RUN_H
#define PROXY_GUARD_GATE_RUN_H

// By their place in enum gate_option; NULL: not given, and the configuration's `gate:` says it.
enum gate_option {
    GATE_OPTION_SINCE,
    GATE_OPTION_DATABASE,
    GATE_OPTION_MIN_COMPARISONS,
    GATE_OPTION_MAX_MISMATCH_RATE,
    GATE_OPTION_CONFIDENCE,
    GATE_OPTION_MAX_LATENCY_RATIO,
    GATE_OPTION_MIN_COVERAGE,
    GATE_OPTION_MIN_DISTINCT,
    GATE_OPTIONS
};

// To stdout; errors to stderr. The exit status: 0 open, 1 closed, 2 could not run.
int gate_run(const char *configuration_path, const char *const options[GATE_OPTIONS]);

#endif
