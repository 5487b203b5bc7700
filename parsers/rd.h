// SPDX-License-Identifier: Apache-2.0
// Bounded reader over borrowed bytes. Any thread; nothing is copied or owned.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Borrowed bytes: whoever hands out a view says how long it lives.
struct view {
	const uint8_t *p;
	uint32_t len;
};

#define VIEW_LITERAL(s) ((struct view) {(const uint8_t *)(s), sizeof(s) - 1})

static inline struct view view_of(const void *p, uint32_t len) {
	return (struct view) {.p = p, .len = len};
}

// n <= 8 bytes as the low bytes of a little-endian word. Loads that overlap, not a loop: names and
// keys are short, so that this is much of what is done with them.
static inline uint64_t bytes_word(const uint8_t *p, uint32_t n) {
	uint64_t word;
	uint32_t low, high;

	if (n == 8) {
		memcpy(&word, p, 8);
		return word;
	}
	if (n >= 4) {
		memcpy(&low, p, 4);
		memcpy(&high, p + n - 4, 4);
		return low | (uint64_t)high << (8 * (n - 4));
	}
	if (n == 0)
		return 0;
	return p[0] | (uint32_t)p[n / 2] << (8 * (n / 2)) | (uint32_t)p[n - 1] << (8 * (n - 1));
}

static inline bool view_equal(struct view a, struct view b) {
	if (a.len != b.len)
		return false;
	if (a.len <= 8)
		return bytes_word(a.p, a.len) == bytes_word(b.p, b.len);
	return memcmp(a.p, b.p, a.len) == 0;
}

// After the first short read every read yields 0 and `failed` stays set: a decoder tests it once
// per structure instead of once per field.
struct rd {
	const uint8_t *p;
	const uint8_t *end;
	bool failed;
};

static inline struct rd rd_from(struct view v) {
	return (struct rd) {.p = v.p, .end = v.p != nullptr ? v.p + v.len : nullptr};
}

static inline uint32_t rd_left(const struct rd *r) {
	return r->failed ? 0 : (uint32_t)(r->end - r->p);
}

static inline struct view rd_take(struct rd *r, uint32_t n) {
	if (r->failed || (uint32_t)(r->end - r->p) < n) {
		r->failed = true;
		return (struct view) {0};
	}
	struct view v = {r->p, n};
	if (n > 0)
		r->p += n;
	return v;
}

static inline uint8_t rd_u8(struct rd *r) {
	struct view v = rd_take(r, 1);
	return v.len == 1 ? v.p[0] : 0;
}

static inline uint16_t rd_be16(struct rd *r) {
	struct view v = rd_take(r, 2);
	if (v.len != 2)
		return 0;
	return (uint16_t)(v.p[0] << 8 | v.p[1]);
}

static inline uint32_t rd_be32(struct rd *r) {
	uint32_t hi = rd_be16(r);
	return hi << 16 | rd_be16(r);
}

static inline uint64_t rd_be64(struct rd *r) {
	uint64_t hi = rd_be32(r);
	return hi << 32 | rd_be32(r);
}

static inline struct view rd_rest(struct rd *r) {
	return rd_take(r, rd_left(r));
}
