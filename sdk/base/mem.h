/* mem.h: heap allocation that cannot return NULL. See error.h for why running out of memory aborts. */
#ifndef BEAMC_BASE_MEM_H
#define BEAMC_BASE_MEM_H

#include <stddef.h>

void *beamc__malloc(size_t size);
void *beamc__calloc(size_t count, size_t size);
void *beamc__realloc(void *ptr, size_t size);
char *beamc__strdup(const char *text);
char *beamc__strndup(const char *text, size_t len);
_Noreturn void beamc__oom(size_t size);

#endif
