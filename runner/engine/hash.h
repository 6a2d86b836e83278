/* hash.h: the hash of keys: shards, group tables, state. Multiply and fold, 16 bytes at a step.
 * The same bytes give the same hash in every run, so that one thread gives the same output each time. */
#ifndef BEAMC_ENGINE_HASH_H
#define BEAMC_ENGINE_HASH_H

#include <beamc/slice.h>

static inline uint64_t beamc_hash_fold(uint64_t a, uint64_t b) {
    __uint128_t p = (__uint128_t)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t beamc_hash_read(const unsigned char *p, size_t n) {
    uint64_t x = 0;
    memcpy(&x, p, n);
    return x;
}

static inline uint64_t beamc_hash(beamc_slice s) {
    const uint64_t k0 = 0x9e3779b97f4a7c15u, k1 = 0xd6e8feb86659fd93u, k2 = 0xa0761d6478bd642fu;
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t n = s.len;
    uint64_t h = k2 ^ (uint64_t)n;
    for (; n > 16; p += 16, n -= 16) {
        h = beamc_hash_fold(beamc_hash_read(p, 8) ^ k0, beamc_hash_read(p + 8, 8) ^ h);
    }
    uint64_t a, b = 0;
    if (n >= 8) {
        a = beamc_hash_read(p, 8);
        b = beamc_hash_read(p + n - 8, 8);
    } else if (n >= 4) {
        a = beamc_hash_read(p, 4);
        b = beamc_hash_read(p + n - 4, 4);
    } else {
        a = n > 0 ? ((uint64_t)p[0] << 16 | (uint64_t)p[n >> 1] << 8 | p[n - 1]) : 0;
    }
    return beamc_hash_fold(beamc_hash_fold(a ^ k1, b ^ h), k0 ^ h);
}

#endif
