/* hash.h: a hash of short byte strings for tables in memory. Not for untrusted flooding: tables here
 * are bounded in size and compare bytes on every hit. */
#ifndef BEAMC_EXEC_HASH_H
#define BEAMC_EXEC_HASH_H

#include <stdint.h>
#include <string.h>

static inline uint64_t beamc_hash_mix(uint64_t a, uint64_t b) {
    __uint128_t p = (__uint128_t)a * b;
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline uint64_t beamc_hash_load(const unsigned char *p, size_t n) {
    uint64_t v = 0;
    memcpy(&v, p, n);
    return v;
}

static inline uint64_t beamc_hash_bytes(const void *bytes, size_t len, uint64_t seed) {
    const unsigned char *p = bytes;
    const uint64_t k0 = UINT64_C(0x9e3779b97f4a7c15), k1 = UINT64_C(0xd1b54a32d192ed03);
    uint64_t h = beamc_hash_mix(seed ^ k0, len ^ k1);
    while (len > 8) {
        h = beamc_hash_mix(h ^ beamc_hash_load(p, 8), k1);
        p += 8;
        len -= 8;
    }
    if (len > 0) {
        h = beamc_hash_mix(h ^ beamc_hash_load(p, len), k0);
    }
    return h ^ (h >> 32);
}

#endif
