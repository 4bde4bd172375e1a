// Does the lag probe work, the configured one or the one that `auto` finds? Asked over the links before anything else,
// as the control thread does it.
#include "proxy/check/check_parts.h"
#include "proxy/control/lag.h"
#include <string.h>
#include <uv.h>

static const uint64_t lag_limit = 3 * 1000000000ull; // ns; a subscription may be just starting

static bool
are_one_cluster(struct check *check)
{
    static const char sql[] = "SELECT c.system_identifier, pg_catalog.pg_postmaster_start_time()"
                              " FROM pg_catalog.pg_control_system() c";
    PGresult *results[2];
    bool are_one = true;

    for (int side = 0; side < 2; side++)
        results[side] = side_link_query(&check->links[side], sql, NULL);
    for (int column = 0; column < 2; column++)
        are_one &=
            results[0] && results[1] &&
            strcmp(PQgetvalue(results[0], 0, column), PQgetvalue(results[1], 0, column)) == 0;
    for (int side = 0; side < 2; side++)
        PQclear(results[side]);
    return are_one;
}

void
check_lag(struct check *check)
{
    const struct configuration_lag *settings = &check->settings->entry->lag;
    uint64_t replayed, age, end = uv_hrtime() + lag_limit;
    struct lag lag;
    enum lag_state state;

    if (!check->is_up[SIDE_OLD] || !check->is_up[SIDE_NEW])
        return;
    lag_init(&lag);
    do {
        state = lag_poll(&lag, check->links, settings, &replayed);
        if (state == LAG_STATE_SILENT)
            uv_sleep(100);
    } while (state == LAG_STATE_SILENT && uv_hrtime() < end);

    const char *name = lag_probe_name(lag.probe);

    if (state != LAG_STATE_KNOWN) {
        findings_add(&check->findings, FINDING_lag_probe, name, "does not work: %s", lag.trouble);
        return;
    }
    check->findings.lag = name;
    if (lag.probe == LAG_NONE && !are_one_cluster(check))
        findings_add(&check->findings, FINDING_lag_none, name,
                     "old and new are two clusters, and new is taken to be never more than settle "
                     "behind");
    else if (lag.probe != LAG_NONE && lag_history_age(&lag.history, replayed, uv_hrtime(), &age) &&
             age > 0)
        findings_add(&check->findings, FINDING_lag_open, name,
                     "works; new has not yet replayed old's position of now");
}
