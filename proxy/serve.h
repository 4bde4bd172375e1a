// `pgrehearse serve`: puts the proxy together, runs it in the foreground, and takes it apart.
#ifndef PROXY_SERVE_H
#define PROXY_SERVE_H

extern const char serve_help[];
int serve_run(int argc, char **argv); // arguments after the subcommand; the exit status

#endif
