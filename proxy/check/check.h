// `pgrehearse check`: is the configuration right, are both sides there, and what about them would make the comparison
// wrong or incomplete? Findings on stdout: a line each, or as JSON. What can be found is in findings.tbl.
#ifndef PROXY_CHECK_CHECK_H
#define PROXY_CHECK_CHECK_H

// `format`: "text" (NULL: the same) or "json". 0: fine, 1: something forbids to rely on the figures, 2: bad usage or
// configuration, or a side out of reach.
int check_run(const char *configuration_path, const char *format);

#endif
