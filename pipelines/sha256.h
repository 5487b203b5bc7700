// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), streaming, for the checkpoint chain only: it is a checksum that anyone can
// recompute, no key and no secret goes through it. Uses the CPU's SHA instructions where there are
// any (about 2 GB/s; a tenth of that without).
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_WAITING_MAX 2048

struct sha256 {
	uint32_t h[8];
	uint64_t len;
	uint32_t waiting; // bytes that are not in h yet
	uint8_t bytes[SHA256_WAITING_MAX];
};

void sha256_init(struct sha256 *s);
// What fits waits, so that it can be hashed together with another stream's.
void sha256_update(struct sha256 *s, const void *p, size_t n);
static inline bool sha256_fits(const struct sha256 *s, size_t n) {
	return n <= SHA256_WAITING_MAX - s->waiting;
}
// Makes room in `a`, and in `b` as far as it has as much: each of the SHA instructions waits for
// the one before, so two streams side by side take little longer than one.
void sha256_hash_pair(struct sha256 *a, struct sha256 *b);
// Of everything so far; `s` may go on.
void sha256_digest(const struct sha256 *s, uint8_t out[SHA256_BYTES]);

// For the test that both give the same.
void sha256_blocks_portable(uint32_t h[8], const uint8_t *p, size_t blocks);
