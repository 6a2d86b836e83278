/* record.c: see record.h. A frame is handed to the kernel when it is whole, so that the recording of a worker
 * that crashes ends with a whole frame. */
#include "worker/harness/record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <beamc/log.h>

#include "base/mem.h"
#include "base/wire.h"

static const char magic[] = "beamc recording 1\n";

struct beamc_recorder {
    pthread_mutex_t mu;
    FILE *file; /* NULL after an error; guarded by mu */
    char *path;
};

beamc_status beamc__recorder_new(const char *path, beamc_recorder **out, beamc_error *err) {
    *out = NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        BEAMC_LOG_WARN(NULL, "another worker records its traffic in %s: this one's is not recorded",
                       path);
        close(fd);
        return BEAMC_OK;
    }
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (file == NULL || (ftruncate(fd, 0) != 0 && errno != EINVAL)) { /* EINVAL: a pipe */
        beamc_status status =
            BEAMC_FAIL(err, INVALID_ARGUMENT, "--record_traffic=%s: %s", path, strerror(errno));
        if (file != NULL) {
            (void)fclose(file);
        } else if (fd >= 0) {
            close(fd);
        }
        return status;
    }
    beamc_recorder *r = beamc__calloc(1, sizeof *r);
    pthread_mutex_init(&r->mu, NULL);
    r->file = file;
    r->path = beamc__strdup(path);
    if (fwrite(magic, 1, sizeof magic - 1, file) != sizeof magic - 1 || fflush(file) != 0) {
        int code = errno;
        beamc__recorder_free(r);
        return BEAMC_FAIL(err, INVALID_ARGUMENT, "--record_traffic=%s: %s", path, strerror(code));
    }
    *out = r;
    return BEAMC_OK;
}

void beamc__recorder_free(beamc_recorder *r) {
    if (r == NULL) {
        return;
    }
    if (r->file != NULL) {
        (void)fclose(r->file);
    }
    pthread_mutex_destroy(&r->mu);
    free(r->path);
    free(r);
}

static bool put_frame(FILE *file, bool to_worker, const char *method, beamc_slice message) {
    beamc_buf head = {0};
    beamc_buf_put_u8(&head, to_worker ? '<' : '>');
    beamc_put_prefixed(&head, beamc_str(method));
    beamc_put_varint(&head, message.len);
    bool done = fwrite(head.ptr, 1, head.len, file) == head.len &&
                fwrite(message.ptr, 1, message.len, file) == message.len && fflush(file) == 0;
    beamc_buf_free(&head);
    return done;
}

void beamc__recorder_put(beamc_recorder *r, bool to_worker, const char *method,
                         beamc_slice message) {
    int code = 0;
    pthread_mutex_lock(&r->mu);
    if (r->file != NULL && !put_frame(r->file, to_worker, method, message)) {
        code = errno != 0 ? errno : EIO;
        (void)fclose(r->file);
        r->file = NULL;
    }
    pthread_mutex_unlock(&r->mu);
    if (code != 0) { /* logged without the lock: the record is traffic too */
        BEAMC_LOG_ERROR(NULL, "the recording %s ends here: %s", r->path, strerror(code));
    }
}
