// SPDX-License-Identifier: Apache-2.0
// Internet checksums (RFC 1071) over frames that may have several segments. Pure.
#pragma once

#include "parsers/rd.h"

#include <rte_byteorder.h>
#include <rte_cksum.h>
#include <rte_mbuf.h>

#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t checksum_fold(uint32_t sum) {
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// Halves of 32 bits added up in 64, 16 bytes a turn: one's complement sums may be taken in words of
// any size and folded afterwards (RFC 1071 section 2).
static inline uint16_t checksum_sum(const void *bytes, uint32_t len) {
	const __m128i low = _mm_set1_epi64x(0xffffffff);
	__m128i sum = _mm_setzero_si128(), high = sum;
	const uint8_t *p = bytes;
	uint64_t a = 0, x;

	for (; len >= 16; len -= 16, p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)p);
		sum = _mm_add_epi64(sum, _mm_and_si128(v, low));
		high = _mm_add_epi64(high, _mm_srli_epi64(v, 32));
	}
	if (len >= 8) {
		memcpy(&x, p, 8);
		a = (x & 0xffffffff) + (x >> 32);
		len -= 8;
		p += 8;
	}
	x = bytes_word(p, len);
	a += (x & 0xffffffff) + (x >> 32);
	sum = _mm_add_epi64(sum, high);
	sum = _mm_add_epi64(sum, _mm_unpackhi_epi64(sum, sum));
	a += (uint64_t)_mm_cvtsi128_si64(sum);
	a = (a & 0xffffffff) + (a >> 32);
	a = (a & 0xffff) + (a >> 16); // below 2^17 + 2^16
	return checksum_fold((uint32_t)a);
}

// The pseudo-header of RFC 768 and RFC 8200 section 8.1. `addresses` are source and destination as
// they stand behind each other in the header. IPv4's length field is 16 bits, IPv6's 32: the same
// sum.
static inline uint32_t
checksum_pseudo(const void *addresses, uint8_t family, uint8_t protocol, uint32_t len) {
	uint32_t source, destination;
	uint32_t sum;

	if (family == 4) {
		// In the pieces in which they were written: a wider load would wait for both.
		memcpy(&source, addresses, 4);
		memcpy(&destination, (const uint8_t *)addresses + 4, 4);
		sum = (source & 0xffff) + (source >> 16) + (destination & 0xffff)
			+ (destination >> 16);
	} else {
		sum = checksum_sum(addresses, 32);
	}
	return sum + rte_cpu_to_be_16(protocol) + rte_cpu_to_be_16((uint16_t)(len >> 16))
		+ rte_cpu_to_be_16((uint16_t)len);
}

// Sum of `len` bytes at `offset` of the frame, which must be there, with `start` added.
static inline uint16_t
checksum_of(const struct rte_mbuf *m, uint32_t offset, uint32_t len, uint32_t start) {
	uint16_t sum = 0;

	if (offset + len <= m->data_len)
		sum = checksum_sum(rte_pktmbuf_mtod_offset(m, const void *, offset), len);
	else
		(void)rte_raw_cksum_mbuf(m, offset, len, &sum);
	return checksum_fold(start + sum);
}

// Bytes that contain their own checksum sum to all ones.
static inline bool
checksum_good(const struct rte_mbuf *m, uint32_t offset, uint32_t len, uint32_t start) {
	return checksum_of(m, offset, len, start) == 0xffff;
}

// RFC 1624: the checksum after one of the words it covers has changed.
static inline uint16_t checksum_replace(uint16_t checksum, uint16_t before, uint16_t after) {
	return (uint16_t)~checksum_fold((uint16_t)~checksum + (uint32_t)(uint16_t)~before + after);
}
