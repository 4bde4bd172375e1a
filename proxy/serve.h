// `pgrehearse serve`: puts the proxy together, runs it in the foreground, and takes it apart.
#ifndef PROXY_SERVE_H
#define PROXY_SERVE_H

int serve_run(const char *configuration_path); // until it is told to stop; the exit status

#endif
