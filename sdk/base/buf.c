/* buf.c: the slow paths of buf.h. */
#include <beamc/buf.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void beamc_buf_free(beamc_buf *buf) {
    free(buf->ptr);
    *buf = (beamc_buf){0};
}

void beamc_buf_grow(beamc_buf *buf, size_t more) {
    if (more > SIZE_MAX / 4 || buf->len > SIZE_MAX / 4) {
        beamc__oom(more);
    }
    size_t cap = buf->cap < 128 ? 128 : buf->cap + buf->cap / 2;
    if (cap < buf->len + more) {
        cap = buf->len + more;
    }
    buf->ptr = beamc__realloc(buf->ptr, cap);
    buf->cap = cap;
}

void beamc_buf_printf(beamc_buf *buf, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n > 0) {
        size_t room = (size_t)n + 1;
        vsnprintf((char *)beamc_buf_room(buf, room), room, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
}
