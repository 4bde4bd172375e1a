// What one request of a unit does to the session that a mirror follows.
#ifndef PROXY_SHADOW_MIRROR_REQUESTS_H
#define PROXY_SHADOW_MIRROR_REQUESTS_H

#include "proxy/shadow/dissect.h"
#include "proxy/shadow/mirror.h"

void mirror_take_step(struct mirror *mirror, const struct unit *unit, struct step *step);

#endif
