// SPDX-License-Identifier: Apache-2.0
// What password checks need, without state: SHA-256, comparison in constant time, wiping, PBKDF2.
// Any thread. digest_pbkdf2() takes its time and is not for workers.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SHA256_BYTES 32

void digest_sha256(struct view in, uint8_t out[DIGEST_SHA256_BYTES]);
bool digest_equal(const void *a, const void *b, size_t n);
void digest_wipe(void *p, size_t n); // not optimised away; NULL is allowed with 0 bytes

enum digest_kind : uint8_t { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA512 };

// False only if the library fails.
bool digest_pbkdf2(
	enum digest_kind kind,
	struct view password,
	struct view salt,
	uint32_t rounds,
	uint8_t *out,
	uint32_t out_len
);
