// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/tcp_segment.h"

#include <string.h>

enum option_kind {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_SHIFT = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8
};

static void parse_sack(const uint8_t *p, uint32_t len, struct segment *s) {
	for (uint32_t i = 2; i + 8 <= len && s->sack_count < 4; i += 8) {
		s->sack[2 * s->sack_count] = get_be32(p + i);
		s->sack[2 * s->sack_count + 1] = get_be32(p + i + 4);
		s->sack_count++;
	}
}

// p[0] is the kind, p[1] the length, already checked against the header. A known option of the
// wrong length is treated as unknown; MSS, scale and SACK-permitted mean nothing outside a SYN.
static void parse_option(const uint8_t *p, uint32_t len, struct segment *s) {
	bool syn = (s->flags & SEG_SYN) != 0;

	switch (p[0]) {
	case OPT_MSS:
		if (syn && len == 4)
			s->mss = get_be16(p + 2);
		break;
	case OPT_SHIFT:
		if (!syn || len != 3)
			break;
		s->has_shift = true;
		s->shift = p[2] > 14 ? 14 : p[2];
		break;
	case OPT_SACK_OK:
		if (syn && len == 2)
			s->sack_ok = true;
		break;
	case OPT_SACK:
		if (!syn)
			parse_sack(p, len, s);
		break;
	case OPT_TS:
		if (len != 10)
			break;
		s->has_ts = true;
		s->tsval = get_be32(p + 2);
		s->tsecr = get_be32(p + 6);
		break;
	default:
		break;
	}
}

static bool parse_options(const uint8_t *p, uint32_t len, struct segment *s) {
	for (uint32_t i = 0; i < len;) {
		if (p[i] == OPT_END)
			return true;
		if (p[i] == OPT_NOP) {
			i++;
			continue;
		}
		if (len - i < 2 || p[i + 1] < 2 || p[i + 1] > len - i)
			return false;
		parse_option(p + i, p[i + 1], s);
		i += p[i + 1];
	}
	return true;
}

// Nobody sends these for an honest reason; answering them serves fingerprinting only.
static bool flags_absurd(uint8_t flags) {
	if ((flags & (SEG_SYN | SEG_FIN | SEG_RST | SEG_ACK)) == 0)
		return true;
	if ((flags & SEG_SYN) != 0)
		return (flags & (SEG_FIN | SEG_RST)) != 0;
	return (flags & (SEG_FIN | SEG_ACK | SEG_RST)) == SEG_FIN;
}

enum tcp_counter
segment_parse(const uint8_t *bytes, uint32_t len, struct segment *out, bool *bad_option) {
	*bad_option = false;
	if (len < TCP_HEADER_BYTES)
		return TCP_BAD_SHORT;

	uint32_t header = (uint32_t)(bytes[12] >> 4) * 4;
	if (header < TCP_HEADER_BYTES || header > len)
		return TCP_BAD_OFFSET;
	*out = (struct segment) {
		.seq = get_be32(bytes + 4),
		.ack = get_be32(bytes + 8),
		.flags = bytes[13] & 0x3f,
		.window = get_be16(bytes + 14),
		.payload = bytes + header,
		.len = len - header,
	};
	if (flags_absurd(out->flags))
		return TCP_BAD_FLAGS;
	*bad_option = !parse_options(bytes + TCP_HEADER_BYTES, header - TCP_HEADER_BYTES, out);
	return TCP_RX_SEGMENTS;
}

static void put_be64(uint8_t *out, uint64_t v) {
	if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
		v = __builtin_bswap64(v);
	memcpy(out, &v, sizeof(v));
}

// In words, as the checksum will read it: a load that is wider than the stores before it waits.
uint32_t segment_write(uint8_t *out, const struct flow_key *key, const struct segment_header *h) {
	uint32_t offset = (uint32_t)(TCP_HEADER_BYTES + h->option_bytes) / 4 << 28;

	put_be64(out, (uint64_t)key->local_port << 48 | (uint64_t)key->remote_port << 32 | h->seq);
	put_be64(out + 8, (uint64_t)h->ack << 32 | offset | (uint32_t)h->flags << 16 | h->window);
	put_be32(out + 16, 0);
	memcpy(out + TCP_HEADER_BYTES, h->options, h->option_bytes);
	return TCP_HEADER_BYTES + h->option_bytes;
}

static uint64_t sum_bytes(uint64_t sum, const uint8_t *p, uint32_t len) {
	uint32_t word;

	for (; len >= 4; p += 4, len -= 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	if (len > 0) {
		word = 0;
		memcpy(&word, p, len);
		sum += word;
	}
	return sum;
}

// The sum is taken in memory order and stays valid in either byte order (RFC 1071, section 2).
uint16_t segment_checksum(const struct flow_key *key, const uint8_t *bytes, uint32_t len) {
	uint32_t address_bytes = key->family == 4 ? 4 : 16;
	uint8_t tail[8] = {0, 0, 0, 0, 0, 0, 0, 6};
	uint64_t sum;

	put_be32(tail, len);
	sum = sum_bytes(0, key->remote, address_bytes);
	sum = sum_bytes(sum, key->local, address_bytes);
	sum = sum_bytes(sum, tail, sizeof(tail));
	sum = sum_bytes(sum, bytes, len);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);

	uint16_t folded = (uint16_t)~sum;
	uint8_t wire[2];
	memcpy(wire, &folded, 2);
	return get_be16(wire);
}
