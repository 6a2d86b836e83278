/* endpoint.c: see endpoint.h. A url is "host:port", as ApiServiceDescriptor.url has it; "https://host:port"
 * asks for TLS with the roots of the system. Threads: any. */
#include "worker/harness/endpoint.h"

#include "worker/harness/thread.h"

enum { NEAR_MS = 15000, FAR_MS = 120000, SLICE_MS = 250 };

static bool is_near(const char *url) {
    static const char *const near[] = {"localhost", "127.", "[::1]", "unix:"};
    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
        if (strncmp(url, near[i], strlen(near[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* In slices, so that a harness that is told to stop does. */
static beamc_status wait_ready(beamc_client *client, beamc_rpc_channel *channel, int64_t limit_ms,
                               beamc_error *err) {
    int64_t until = beamc__clock_ms() + limit_ms;
    for (;;) {
        beamc_status status = beamc_rpc_channel_wait_ready(channel, SLICE_MS, err);
        if (status == BEAMC_OK) {
            return status;
        }
        if (atomic_load(&client->stopping)) {
            return BEAMC_FAIL(err, CANCELLED, "told to stop while connecting");
        }
        if (beamc__clock_ms() >= until) {
            beamc_error_prepend(err, "nobody answers after %lld s", (long long)(limit_ms / 1000));
            return status;
        }
    }
}

beamc_status beamc__endpoint_connect(beamc_client *client, const char *what, const char *url,
                                     beamc_rpc_channel **out, beamc_error *err) {
    static const char https[] = "https://", http[] = "http://";
    *out = NULL;
    bool tls = strncmp(url, https, sizeof https - 1) == 0;
    const char *target = tls                                        ? url + sizeof https - 1
                         : strncmp(url, http, sizeof http - 1) == 0 ? url + sizeof http - 1
                                                                    : url;
    if (target[0] == '\0') {
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "%s endpoint: none is named", what);
    }
    beamc_rpc_channel_options options = {.worker_id = client->worker_id, .tls = tls};
    beamc_rpc_channel *channel;
    BEAMC_TRY_CTX(err, beamc_rpc_channel_new(target, &options, &channel, err), "%s endpoint %s",
                  what, url);
    beamc_status status = wait_ready(client, channel, is_near(target) ? NEAR_MS : FAR_MS, err);
    if (status != BEAMC_OK) {
        beamc_error_prepend(err, "%s endpoint %s", what, url);
        beamc_rpc_channel_free(channel);
        return status;
    }
    *out = channel;
    return BEAMC_OK;
}
