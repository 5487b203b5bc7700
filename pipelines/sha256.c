// SPDX-License-Identifier: Apache-2.0
#include "pipelines/sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

alignas(16) static const uint32_t k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t ror(uint32_t v, unsigned n) {
	return v >> n | v << (32 - n);
}

static uint32_t be32(const uint8_t *p) {
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void schedule(uint32_t w[64], const uint8_t *p) {
	for (unsigned t = 0; t < 16; t++)
		w[t] = be32(p + 4 * t);
	for (unsigned t = 16; t < 64; t++) {
		uint32_t a = w[t - 15], b = w[t - 2];
		w[t] = w[t - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + w[t - 7]
			+ (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
	}
}

void sha256_blocks_portable(uint32_t h[8], const uint8_t *p, size_t blocks) {
	for (; blocks > 0; blocks--, p += 64) {
		uint32_t w[64], s[8];

		schedule(w, p);
		memcpy(s, h, sizeof(s));
		for (unsigned t = 0; t < 64; t++) {
			uint32_t a = s[0], e = s[4];
			uint32_t t1 = s[7] + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25))
				+ ((e & s[5]) ^ (~e & s[6])) + k[t] + w[t];
			uint32_t t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22))
				+ ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
			memmove(s + 1, s, 7 * sizeof(s[0]));
			s[4] += t1;
			s[0] = t1 + t2;
		}
		for (unsigned i = 0; i < 8; i++)
			h[i] += s[i];
	}
}

#if defined(__x86_64__)
#define SHA_NI [[gnu::target("sha,sse4.1,ssse3")]]

// The instructions want the state as (a b e f) and (c d g h) and do four rounds per message vector.
struct ni_state {
	__m128i abef, cdgh;
};

SHA_NI static inline struct ni_state ni_load(const uint32_t h[8]) {
	__m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0xb1);
	__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(h + 4)), 0x1b);

	return (struct ni_state) {_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)
	};
}

SHA_NI static inline void ni_store(uint32_t h[8], struct ni_state s) {
	__m128i feba = _mm_shuffle_epi32(s.abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(s.cdgh, 0xb1);

	_mm_storeu_si128((__m128i *)h, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(dchg, feba, 8));
}

SHA_NI static inline void ni_block_load(__m128i w[4], const uint8_t *p) {
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);

	for (unsigned i = 0; i < 4; i++)
		w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * i)), swap);
}

// Rounds 4i to 4i + 3; then w[i % 4] is what rounds 4i + 16 need.
[[gnu::always_inline]] SHA_NI static inline void
ni_rounds(struct ni_state *s, __m128i w[4], unsigned i) {
	__m128i wk = _mm_add_epi32(w[i % 4], _mm_load_si128((const __m128i *)(k + 4 * i)));

	s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, wk);
	s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(wk, 0x0e));
	if (i >= 12)
		return;
	__m128i next = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
	next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
	w[i % 4] = _mm_sha256msg2_epu32(next, w[(i + 3) % 4]);
}

SHA_NI static inline struct ni_state ni_add(struct ni_state a, struct ni_state b) {
	return (struct ni_state) {_mm_add_epi32(a.abef, b.abef), _mm_add_epi32(a.cdgh, b.cdgh)};
}

SHA_NI static void blocks_sha_ni(uint32_t h[8], const uint8_t *p, size_t blocks) {
	struct ni_state s = ni_load(h);

	for (; blocks > 0; blocks--, p += 64) {
		struct ni_state before = s;
		__m128i w[4];

		ni_block_load(w, p);
#pragma GCC unroll 16
		for (unsigned i = 0; i < 16; i++)
			ni_rounds(&s, w, i);
		s = ni_add(s, before);
	}
	ni_store(h, s);
}

SHA_NI static void
pair_sha_ni(uint32_t ha[8], const uint8_t *a, uint32_t hb[8], const uint8_t *b, size_t blocks) {
	struct ni_state s = ni_load(ha), t = ni_load(hb);

	for (; blocks > 0; blocks--, a += 64, b += 64) {
		struct ni_state s_before = s, t_before = t;
		__m128i v[4], w[4];

		ni_block_load(v, a);
		ni_block_load(w, b);
#pragma GCC unroll 16
		for (unsigned i = 0; i < 16; i++) {
			ni_rounds(&s, v, i);
			ni_rounds(&t, w, i);
		}
		s = ni_add(s, s_before);
		t = ni_add(t, t_before);
	}
	ni_store(ha, s);
	ni_store(hb, t);
}
#endif

static void blocks_run(uint32_t h[8], const uint8_t *p, size_t blocks) {
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sha")) {
		blocks_sha_ni(h, p, blocks);
		return;
	}
#endif
	sha256_blocks_portable(h, p, blocks);
}

static void
pair_run(uint32_t ha[8], const uint8_t *a, uint32_t hb[8], const uint8_t *b, size_t blocks) {
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sha")) {
		pair_sha_ni(ha, a, hb, b, blocks);
		return;
	}
#endif
	sha256_blocks_portable(ha, a, blocks);
	sha256_blocks_portable(hb, b, blocks);
}

void sha256_init(struct sha256 *s) {
	*s = (struct sha256) {
		.h = {0x6a09e667,
		      0xbb67ae85,
		      0x3c6ef372,
		      0xa54ff53a,
		      0x510e527f,
		      0x9b05688c,
		      0x1f83d9ab,
		      0x5be0cd19},
	};
}

// The first `n` bytes that waited are in h now.
static void waiting_drop(struct sha256 *s, uint32_t n) {
	s->waiting -= n;
	memmove(s->bytes, s->bytes + n, s->waiting);
}

static void waiting_hash(struct sha256 *s) {
	uint32_t blocks = s->waiting / 64;

	blocks_run(s->h, s->bytes, blocks);
	waiting_drop(s, blocks * 64);
}

void sha256_hash_pair(struct sha256 *a, struct sha256 *b) {
	uint32_t in_a = a->waiting / 64, in_b = b->waiting / 64;
	uint32_t blocks = in_a < in_b ? in_a : in_b;

	pair_run(a->h, a->bytes, b->h, b->bytes, blocks);
	waiting_drop(a, blocks * 64);
	waiting_drop(b, blocks * 64);
	waiting_hash(a);
}

void sha256_update(struct sha256 *s, const void *bytes, size_t n) {
	const uint8_t *p = bytes;

	if (n == 0) // `bytes` may be no pointer then, which memcpy must not see
		return;
	s->len += n;
	if (!sha256_fits(s, n))
		waiting_hash(s);
	if (!sha256_fits(s, n)) {
		size_t part = (64 - s->waiting) % 64;
		memcpy(s->bytes + s->waiting, p, part);
		s->waiting += (uint32_t)part;
		waiting_hash(s);
		p += part;
		n -= part;
		blocks_run(s->h, p, n / 64);
		p += n / 64 * 64;
		n %= 64;
	}
	memcpy(s->bytes + s->waiting, p, n);
	s->waiting += (uint32_t)n;
}

void sha256_digest(const struct sha256 *s, uint8_t out[SHA256_BYTES]) {
	static const uint8_t padding[64] = {0x80};
	struct sha256 end = *s;
	uint8_t bits[8];

	for (unsigned i = 0; i < 8; i++)
		bits[i] = (uint8_t)(s->len * 8 >> (56 - 8 * i));
	sha256_update(&end, padding, 1 + (119 - s->len % 64) % 64);
	sha256_update(&end, bits, sizeof(bits));
	waiting_hash(&end);
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		out[i] = (uint8_t)(end.h[i / 4] >> (24 - 8 * (i % 4)));
}
