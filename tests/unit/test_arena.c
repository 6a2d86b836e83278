/* Arena: alignment, rewind and reuse. */
#include <beamc/arena.h>
#include <criterion/criterion.h>

Test(arena, allocations_are_aligned_and_distinct) {
    beamc_arena *a = beamc_arena_new(64);
    char *p = beamc_arena_alloc(a, 3);
    char *q = beamc_arena_alloc(a, 3);
    cr_assert_eq((uintptr_t)p % 16, 0);
    cr_assert_eq((uintptr_t)q % 16, 0);
    cr_assert_neq(p, q);
    beamc_arena_free(a);
}

Test(arena, rewind_reuses_memory_across_blocks) {
    beamc_arena *a = beamc_arena_new(64);
    beamc_arena_mark m = beamc_arena_get_mark(a);
    void *first = beamc_arena_alloc(a, 16);
    for (int i = 0; i < 100; i++) {
        beamc_arena_alloc(a, 40);
    }
    size_t held = beamc_arena_footprint(a);
    beamc_arena_rewind(a, m);
    cr_assert_eq(beamc_arena_alloc(a, 16), first);
    for (int i = 0; i < 100; i++) {
        beamc_arena_alloc(a, 40);
    }
    cr_assert_eq(beamc_arena_footprint(a), held, "a rewound arena must reuse its blocks");
    beamc_arena_free(a);
}
