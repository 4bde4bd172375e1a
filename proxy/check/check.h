// `pgrehearse check`: is the configuration right, are both sides there, and what about them would make
// the comparison wrong or incomplete? Plain lines on stdout.
#ifndef PROXY_CHECK_CHECK_H
#define PROXY_CHECK_CHECK_H

// 0: fine, 1: something forbids to rely on the figures, 2: bad configuration or a side out of reach.
int check_run(const char *configuration_path);

#endif
