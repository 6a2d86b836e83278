/* mem.c: see mem.h. */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void beamc__oom(size_t size) {
    fprintf(stderr, "beamc: out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *beamc__malloc(size_t size) {
    void *p = malloc(size ? size : 1);
    if (p == NULL) {
        beamc__oom(size);
    }
    return p;
}

void *beamc__calloc(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (p == NULL) {
        beamc__oom(size);
    }
    return p;
}

void *beamc__realloc(void *ptr, size_t size) {
    void *p = realloc(ptr, size ? size : 1);
    if (p == NULL) {
        beamc__oom(size);
    }
    return p;
}

char *beamc__strndup(const char *text, size_t len) {
    char *p = beamc__malloc(len + 1);
    if (len > 0) {
        memcpy(p, text, len);
    }
    p[len] = '\0';
    return p;
}

char *beamc__strdup(const char *text) {
    return beamc__strndup(text, strlen(text));
}
