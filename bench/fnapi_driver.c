/* fnapi_driver.c: a runner that only measures: it starts one worker, whatever its SDK, and sends bundles of
 * source -> ParDo -> sink over loopback.
 *
 *   fnapi_driver PIPELINE ELEMENTS ROUNDS COMMAND...
 *
 * PIPELINE is a Pipeline proto of that SDK; its ParDo whose name holds "dentity" is the one that runs. In COMMAND
 * {control} and {logging} stand for the endpoints; the environment variables of the container contract are
 * set as well. Prints one JSON object. Elements are 100 bytes in the global window, in messages of 1 MiB, the
 * same bytes for every worker, and the very same must come back.
 * Threads: gRPC calls the handlers; main waits for what they note. The process ends with main. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "beam_model/beam_runner_api.pb-c.h"
#include "worker/harness/elements.h"
#include "worker/harness/endpoint.h"
#include "worker/harness/pb_out.h"

extern char **environ;

enum {
    VALUE_BYTES = 100,
    ELEMENT_BYTES = 8 + 4 + 1 + 1 + VALUE_BYTES,
    MESSAGE_ELEMENTS = (1 << 20) / ELEMENT_BYTES,
    LIMIT_S = 120
};

static struct {
    pthread_mutex_t mu;
    pthread_cond_t changed;
    beamc_rpc_stream *control, *data;
    char answered[64]; /* id of the last response */
    char error[1024];
    uint64_t got_bytes; /* of the running bundle */
    uint64_t wrong;     /* bytes of outputs that are not what was sent, looked at by samples */
    bool got_last;
    beamc_buf descriptor;
    beamc_slice block; /* MESSAGE_ELEMENTS encoded elements */
    int port;
} d = {.mu = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static pid_t worker;

_Noreturn static void die(const char *what, const char *why) {
    fprintf(stderr, "fnapi_driver: %s: %s\n", what, why);
    if (worker > 0) {
        (void)kill(worker, SIGKILL);
    }
    _exit(1);
}

static double now_s(clockid_t clock) {
    struct timespec t;
    if (clock_gettime(clock, &t) != 0) {
        die("clock", strerror(errno));
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ------------------------------------------------------------------------------- the services */

static void note_response(beamc_slice bytes) {
    beamc_cursor in = beamc_cursor_of(bytes);
    uint64_t tag;
    beamc_slice text;
    while (beamc_get_varint(&in, &tag) && (tag & 7) == 2 && beamc_get_prefixed(&in, &text)) {
        char *to = tag >> 3 == 1 ? d.answered : tag >> 3 == 2 ? d.error : NULL;
        size_t room = to == d.answered ? sizeof d.answered : sizeof d.error;
        if (to != NULL) {
            (void)snprintf(to, room, "%.*s", BEAMC_SLICE_ARG(text));
        }
    }
}

static beamc_status on_control(void *user, beamc_rpc_stream *stream, beamc_error *err) {
    (void)user;
    pthread_mutex_lock(&d.mu);
    d.control = beamc_rpc_stream_ref(stream);
    pthread_cond_broadcast(&d.changed);
    pthread_mutex_unlock(&d.mu);
    for (;;) {
        beamc_rpc_msg *msg;
        beamc_status status = beamc_rpc_stream_read(stream, &msg, err);
        if (status != BEAMC_OK || msg == NULL) {
            return status;
        }
        pthread_mutex_lock(&d.mu);
        note_response(beamc_rpc_msg_data(msg));
        pthread_cond_broadcast(&d.changed);
        pthread_mutex_unlock(&d.mu);
        beamc_rpc_msg_unref(msg);
    }
}

static beamc_status note_elements(beamc_slice bytes, beamc_error *err) {
    beamc_cursor in = beamc_cursor_of(bytes);
    for (;;) {
        beamc_elements_part part;
        bool more;
        BEAMC_TRY(beamc__elements_next(&in, &part, &more, err));
        if (!more) {
            return BEAMC_OK;
        }
        /* The input repeats itself with the period of one element, wherever messages are cut. */
        size_t phase = (size_t)(d.got_bytes % ELEMENT_BYTES);
        size_t check = part.data.len < ELEMENT_BYTES ? part.data.len : ELEMENT_BYTES;
        d.wrong += check > 0 && memcmp(part.data.ptr, d.block.ptr + phase, check) != 0;
        d.got_bytes += part.data.len;
        d.got_last = d.got_last || part.is_last;
    }
}

static beamc_status on_data(void *user, beamc_rpc_stream *stream, beamc_error *err) {
    (void)user;
    pthread_mutex_lock(&d.mu);
    d.data = beamc_rpc_stream_ref(stream);
    pthread_cond_broadcast(&d.changed);
    pthread_mutex_unlock(&d.mu);
    for (;;) {
        beamc_rpc_msg *msg;
        beamc_status status = beamc_rpc_stream_read(stream, &msg, err);
        if (status != BEAMC_OK || msg == NULL) {
            return status;
        }
        pthread_mutex_lock(&d.mu);
        status = note_elements(beamc_rpc_msg_data(msg), err);
        if (d.got_last) {
            pthread_cond_broadcast(&d.changed);
        }
        pthread_mutex_unlock(&d.mu);
        beamc_rpc_msg_unref(msg);
        BEAMC_TRY(status);
    }
}

/* Logging and state: read, no answer; there is no state in these bundles. */
static beamc_status on_other(void *user, beamc_rpc_stream *stream, beamc_error *err) {
    (void)user;
    for (;;) {
        beamc_rpc_msg *msg;
        beamc_status status = beamc_rpc_stream_read(stream, &msg, err);
        if (status != BEAMC_OK || msg == NULL) {
            return status;
        }
        if (getenv("FNAPI_DRIVER_LOGS") != NULL) {
            beamc_slice bytes = beamc_rpc_msg_data(msg);
            fwrite(bytes.ptr, 1, bytes.len, stderr);
        }
        beamc_rpc_msg_unref(msg);
    }
}

static beamc_status on_descriptor(void *user, beamc_rpc_stream *call, beamc_slice request,
                                  beamc_rpc_msg **response, beamc_error *err) {
    (void)user, (void)call, (void)request, (void)err;
    *response = beamc_rpc_msg_copy(beamc_buf_slice(&d.descriptor));
    return BEAMC_OK;
}

/* -------------------------------------------------------------------------- the descriptor */

/* Puts an entry of a map field, whose value is @p value, and empties that. */
static void put_entry(unsigned field, const char *key, beamc_buf *value) {
    beamc_buf entry = {0};
    beamc_pb_text(&entry, 1, key);
    beamc_pb_bytes(&entry, 2, beamc_buf_slice(value));
    beamc_pb_bytes(&d.descriptor, field, beamc_buf_slice(&entry));
    beamc_buf_free(&entry);
    beamc_buf_clear(value);
}

static void put_tag(beamc_buf *transform, unsigned field, const char *tag, const char *pcol) {
    beamc_buf entry = {0};
    beamc_pb_text(&entry, 1, tag);
    beamc_pb_text(&entry, 2, pcol);
    beamc_pb_bytes(transform, field, beamc_buf_slice(&entry));
    beamc_buf_free(&entry);
}

static void put_spec(beamc_buf *out, unsigned field, const char *urn, beamc_slice payload) {
    beamc_buf spec = {0};
    beamc_pb_text(&spec, 1, urn);
    if (payload.len > 0) {
        beamc_pb_bytes(&spec, 3, payload);
    }
    beamc_pb_bytes(out, field, beamc_buf_slice(&spec));
    beamc_buf_free(&spec);
}

static void put_coder(const char *id, const char *urn, const char *one, const char *other) {
    beamc_buf coder = {0};
    put_spec(&coder, 1, urn, (beamc_slice){0});
    beamc_pb_text(&coder, 2, one);
    beamc_pb_text(&coder, 2, other);
    put_entry(5, id, &coder);
    beamc_buf_free(&coder);
}

static void put_transform(const char *id, const char *urn, beamc_slice payload, const char *in_tag,
                          const char *out_tag) {
    beamc_buf t = {0};
    put_spec(&t, 1, urn, payload);
    if (in_tag != NULL) {
        put_tag(&t, 3, in_tag, out_tag == NULL ? "out" : "in");
    }
    if (out_tag != NULL) {
        put_tag(&t, 4, out_tag, in_tag == NULL ? "in" : "out");
    }
    beamc_pb_text(&t, 5, id);
    put_entry(2, id, &t);
    beamc_buf_free(&t);
}

static void put_parts(void) {
    beamc_buf b = {0};
    for (int i = 0; i < 2; i++) {
        const char *id = i == 0 ? "in" : "out";
        beamc_pb_text(&b, 1, id);
        beamc_pb_text(&b, 2, "bytes");
        beamc_pb_varint(&b, 3, 2); /* BOUNDED */
        beamc_pb_text(&b, 4, "global");
        put_entry(3, id, &b);
    }
    put_coder("bytes", "beam:coder:bytes:v1", NULL, NULL);
    put_coder("window", "beam:coder:global_window:v1", NULL, NULL);
    put_coder("windowed", "beam:coder:windowed_value:v1", "bytes", "window");
    put_spec(&b, 1, "beam:window_fn:global_windows:v1", (beamc_slice){0});
    beamc_pb_varint(&b, 2, 1); /* NON_MERGING */
    beamc_pb_text(&b, 3, "window");
    beamc_pb_bytes(&b, 4, beamc_slice_of("\x3a\x00", 2)); /* Trigger.default */
    beamc_pb_varint(&b, 5, 1);                            /* DISCARDING */
    beamc_pb_varint(&b, 6, 1);                            /* END_OF_WINDOW */
    beamc_pb_varint(&b, 7, 2);                            /* EMIT_IF_NONEMPTY */
    beamc_pb_varint(&b, 9, 1);                            /* FIRE_ALWAYS */
    put_entry(4, "global", &b);
    beamc_buf_free(&b);
}

static const char *only_tag(size_t n, const char *const *keys, const char *what) {
    if (n != 1) {
        die("the pipeline's ParDo", what);
    }
    return keys[0];
}

static void put_pardo(const Pipe__PTransform *t) {
    const char *in =
        only_tag(t->n_inputs, (const char *const[]){t->n_inputs > 0 ? t->inputs[0]->key : ""},
                 "one input is expected");
    const char *out =
        only_tag(t->n_outputs, (const char *const[]){t->n_outputs > 0 ? t->outputs[0]->key : ""},
                 "one output is expected");
    beamc_slice payload = beamc_slice_of(t->spec->payload.data, t->spec->payload.len);
    put_transform("pardo", "beam:transform:pardo:v1", payload, in, out);
}

static void make_descriptor(const char *path) {
    beamc_buf bytes = {0};
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        die(path, strerror(errno));
    }
    size_t n;
    do {
        n = fread(beamc_buf_room(&bytes, 65536), 1, 65536, f);
        bytes.len += n;
    } while (n > 0);
    (void)fclose(f);
    ProtobufCMessage *m;
    beamc_error err = {0};
    if (beamc__proto_unpack(&pipe__pipeline__descriptor, beamc_buf_slice(&bytes), &m, &err) !=
        BEAMC_OK) {
        die(path, err.message);
    }
    const Pipe__Components *c = ((Pipe__Pipeline *)m)->components;
    const Pipe__PTransform *found = NULL;
    for (size_t i = 0; c != NULL && i < c->n_transforms; i++) {
        const Pipe__PTransform *t = c->transforms[i]->value;
        if (t->spec != NULL && strcmp(t->spec->urn, "beam:transform:pardo:v1") == 0 &&
            strstr(t->unique_name, "dentity") != NULL) {
            found = t;
        }
    }
    if (found == NULL) {
        die(path, "no ParDo whose name holds \"dentity\"");
    }
    beamc_pb_text(&d.descriptor, 1, "identity");
    put_pardo(found);
    beamc_buf url = {0}, port = {0};
    char text[64];
    (void)snprintf(text, sizeof text, "localhost:%d", d.port);
    beamc_pb_text(&url, 1, text);
    beamc_pb_bytes(&port, 1, beamc_buf_slice(&url));
    beamc_pb_text(&port, 2, "windowed");
    put_transform("source", "beam:runner:source:v1", beamc_buf_slice(&port), NULL, "out");
    put_transform("sink", "beam:runner:sink:v1", beamc_buf_slice(&port), "in", NULL);
    put_parts();
    beamc_pb_bytes(&d.descriptor, 7, beamc_buf_slice(&url)); /* state_api_service_descriptor */
    beamc_buf_free(&url);
    beamc_buf_free(&port);
    beamc_buf_free(&bytes);
    beamc__proto_free(m);
}

static void make_block(void) {
    static beamc_buf block;
    for (int i = 0; i < MESSAGE_ELEMENTS; i++) {
        beamc_put_be64(&block, beamc_time_to_wire(0));
        beamc_put_be32(&block, 1);
        beamc_buf_put_u8(&block, 0x0f); /* pane: the only firing */
        beamc_put_varint(&block, VALUE_BYTES);
        memset(beamc_buf_room(&block, VALUE_BYTES), 'v', VALUE_BYTES);
        block.len += VALUE_BYTES;
    }
    d.block = beamc_buf_slice(&block);
}

/* ------------------------------------------------------------------------------- the worker */

static char *replaced(const char *arg) {
    char endpoint[64];
    (void)snprintf(endpoint, sizeof endpoint, "localhost:%d", d.port);
    const char *at = strstr(arg, "{control}");
    size_t n = 9;
    if (at == NULL) {
        at = strstr(arg, "{logging}");
    }
    if (at == NULL) {
        return beamc__strdup(arg);
    }
    beamc_buf out = {0};
    beamc_buf_put(&out, arg, (size_t)(at - arg));
    beamc_buf_put_str(&out, endpoint);
    beamc_buf_put(&out, at + n, strlen(at + n) + 1);
    return (char *)out.ptr;
}

static void set_environment(void) {
    char url[96];
    (void)snprintf(url, sizeof url, "url: \"localhost:%d\"", d.port);
    setenv("CONTROL_API_SERVICE_DESCRIPTOR", url, 1);
    setenv("LOGGING_API_SERVICE_DESCRIPTOR", url, 1);
    setenv("WORKER_ID", "bench", 1);
    setenv("PIPELINE_OPTIONS", "{}", 1);
}

static void start_worker(char **command) {
    for (size_t i = 0; command[i] != NULL; i++) {
        command[i] = replaced(command[i]);
    }
    int code = posix_spawnp(&worker, command[0], NULL, NULL, command, environ);
    if (code != 0) {
        worker = 0;
        die(command[0], strerror(code));
    }
}

/* Waits under the lock until *what is set. */
static void wait_for(beamc_rpc_stream *const *what, const char *name) {
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_S;
    while (*what == NULL && d.error[0] == '\0') {
        if (pthread_cond_timedwait(&d.changed, &d.mu, &until) != 0) {
            die(name, "the worker has not opened it");
        }
    }
    if (d.error[0] != '\0') {
        die("the bundle failed", d.error);
    }
}

static long status_kib(const char *field) {
    char path[64], line[256];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)worker);
    FILE *f = fopen(path, "re");
    long kib = -1;
    size_t len = strlen(field);
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, field, len) == 0) {
            kib = strtol(line + len, NULL, 10);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return kib;
}

/* ------------------------------------------------------------------------------- the bundles */

static void send_request(const char *id) {
    beamc_buf body = {0}, request = {0};
    beamc_pb_text(&body, 1, "identity");
    beamc_pb_text(&request, 1, id);
    beamc_pb_bytes(&request, 1001, beamc_buf_slice(&body)); /* process_bundle */
    beamc_buf_free(&body);
    if (beamc_rpc_stream_write(d.control, beamc_rpc_msg_take(&request), NULL) != BEAMC_OK) {
        die("control stream", "it has ended");
    }
}

static void send_elements(const char *id, size_t count) {
    while (count > 0) {
        size_t n = count < MESSAGE_ELEMENTS ? count : MESSAGE_ELEMENTS;
        beamc_buf out = {0};
        beamc_buf_room(&out, n * ELEMENT_BYTES + 128);
        size_t header = beamc__elements_begin(&out, id, "source", NULL);
        beamc_buf_put(&out, d.block.ptr, n * ELEMENT_BYTES);
        beamc__elements_end(&out, 0, header);
        if (beamc_rpc_stream_write(d.data, beamc_rpc_msg_take(&out), NULL) != BEAMC_OK) {
            die("data stream", d.error[0] != '\0' ? d.error : "it has ended");
        }
        count -= n;
    }
    beamc_buf last = {0};
    beamc__elements_put_last(&last, id, "source", NULL);
    (void)beamc_rpc_stream_write(d.data, beamc_rpc_msg_take(&last), NULL);
}

static void run_bundle(int number, size_t count) {
    char id[64];
    (void)snprintf(id, sizeof id, "bundle-%d", number);
    d.got_bytes = 0;
    d.got_last = false;
    send_request(id);
    pthread_mutex_lock(&d.mu);
    wait_for(&d.data, "data stream");
    pthread_mutex_unlock(&d.mu);
    send_elements(id, count);
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LIMIT_S;
    pthread_mutex_lock(&d.mu);
    while ((!d.got_last || strcmp(d.answered, id) != 0) && d.error[0] == '\0') {
        if (pthread_cond_timedwait(&d.changed, &d.mu, &until) != 0) {
            die(id, "it does not end");
        }
    }
    if (d.error[0] != '\0') {
        die("the bundle failed", d.error);
    }
    if (d.got_bytes != count * ELEMENT_BYTES || d.wrong > 0) {
        die(id, "the output is not the input");
    }
    pthread_mutex_unlock(&d.mu);
}

static void serve(void) {
    beamc_error err = {0};
    beamc_rpc_server *server;
    if (beamc_rpc_server_new("localhost:0", NULL, &server, &err) != BEAMC_OK) {
        die("server", err.message);
    }
    d.port = beamc_rpc_server_port(server);
    beamc_rpc_server_stream(server, BEAMC_FN_SERVICE("BeamFnControl/Control"), on_control, NULL);
    beamc_rpc_server_stream(server, BEAMC_FN_SERVICE("BeamFnData/Data"), on_data, NULL);
    beamc_rpc_server_stream(server, BEAMC_FN_SERVICE("BeamFnState/State"), on_other, NULL);
    beamc_rpc_server_stream(server, BEAMC_FN_SERVICE("BeamFnLogging/Logging"), on_other, NULL);
    beamc_rpc_server_unary(server, BEAMC_FN_SERVICE("BeamFnControl/GetProcessBundleDescriptor"),
                           on_descriptor, NULL);
    beamc_rpc_server_start(server);
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: fnapi_driver PIPELINE ELEMENTS ROUNDS COMMAND...\n");
        return 2;
    }
    size_t count = strtoull(argv[2], NULL, 10);
    int rounds = atoi(argv[3]);
    (void)signal(SIGPIPE, SIG_IGN);
    serve();
    make_block();
    make_descriptor(argv[1]);
    set_environment();
    double start = now_s(CLOCK_MONOTONIC);
    start_worker(argv + 4);
    pthread_mutex_lock(&d.mu);
    wait_for(&d.control, "control stream");
    pthread_mutex_unlock(&d.mu);
    double open_ms = (now_s(CLOCK_MONOTONIC) - start) * 1e3;
    sleep(1); /* idle */
    long idle_kib = status_kib("VmRSS:");
    clockid_t cpu;
    if (clock_getcpuclockid(worker, &cpu) != 0) {
        die("worker", "it has ended");
    }
    run_bundle(0, count / 10 + 1); /* warm */
    printf("{\"open_ms\": %.1f, \"idle_kib\": %ld, \"elements\": %zu, \"rounds\": [", open_ms,
           idle_kib, count);
    for (int i = 1; i <= rounds; i++) {
        double wall = now_s(CLOCK_MONOTONIC), spent = now_s(cpu);
        run_bundle(i, count);
        wall = now_s(CLOCK_MONOTONIC) - wall;
        spent = now_s(cpu) - spent;
        printf("%s{\"wall\": %.6f, \"cpu\": %.6f}", i > 1 ? ", " : "", wall, spent);
    }
    printf("], \"peak_kib\": %ld}\n", status_kib("VmHWM:"));
    (void)fflush(stdout);
    (void)kill(worker, SIGKILL);
    (void)waitpid(worker, NULL, 0);
    _exit(0);
}
