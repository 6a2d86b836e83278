/* tsan_criterion.c: lets Criterion run under ThreadSanitizer; linked into the tsan variant only.
 *
 * Criterion's sandbox (boxfort) wants shared memory at an address that parent and child agree on: it
 * draws random ones, asks mincore() whether they are free, and maps with MAP_FIXED. ThreadSanitizer
 * has most of the address space mapped for its shadow and refuses the rest. So here every address
 * looks free, and the mapping is moved, the same way in parent and child, into the small range that
 * ThreadSanitizer leaves to applications. Not instrumented: this runs before its start. */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define APP_RANGE 0x7e8000000000u
#define APP_RANGE_MASK 0x7fffffffffu

void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t offset) {
    if ((flags & MAP_FIXED) && (flags & MAP_SHARED) && (uintptr_t)addr < APP_RANGE) {
        addr = (void *)(APP_RANGE + ((uintptr_t)addr & APP_RANGE_MASK));
    }
    return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

int mincore(void *addr, size_t len, unsigned char *pages) {
    (void)addr;
    (void)len;
    (void)pages;
    errno = ENOMEM;
    return -1;
}
