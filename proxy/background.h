// Threads that no client waits for: they give way where processors are scarce.
#ifndef PROXY_BACKGROUND_H
#define PROXY_BACKGROUND_H

// Names the calling thread (15 bytes) and lowers its priority, for good.
void background_begin(const char *name);

#endif
