/* asan_criterion.c: which process of the unit test program looks for leaks; linked into the asan
 * variant only. The tests' own processes do, in which Criterion's sandbox (boxfort) leaves BXFI_MAP
 * in the environment. The one that starts them does not: it runs none of our code, and Criterion
 * leaks in it now and then. */
#include <stdlib.h>

int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void) {
    return getenv("BXFI_MAP") == NULL;
}
