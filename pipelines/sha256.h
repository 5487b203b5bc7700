// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), streaming, for the checkpoint chain only: it is a checksum that anyone can
// recompute, no key and no secret goes through it. Uses the CPU's SHA instructions where there are
// any (about 2 GB/s; a tenth of that without).
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

struct sha256 {
	uint32_t h[8];
	uint64_t len;
	uint8_t block[64]; // [0, len % 64) waits for the rest
};

void sha256_init(struct sha256 *s);
void sha256_update(struct sha256 *s, const void *p, size_t n);
// Of everything so far; `s` may go on.
void sha256_digest(const struct sha256 *s, uint8_t out[SHA256_BYTES]);

// For the test that both give the same.
void sha256_blocks_portable(uint32_t h[8], const uint8_t *p, size_t blocks);
