// SPDX-License-Identifier: Apache-2.0
// SHA-256 and random bytes for the control plane. Any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_TEXT (2 * DIGEST_BYTES + 1)

void digest_sha256(const void *bytes, size_t len, uint8_t out[DIGEST_BYTES]);
// Lower-case hex, terminated; `out` has room for 2 * len + 1.
const char *digest_hex(const uint8_t *bytes, size_t len, char *out);
// Bytes written, or -1 if `hex` is no even number of hex digits or too long for `room`.
int digest_unhex(const char *hex, uint8_t *out, size_t room);
// Kernel random bytes; aborts the process if the kernel has none, which it always has.
void digest_random(void *out, size_t len);
