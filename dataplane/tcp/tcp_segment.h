// SPDX-License-Identifier: Apache-2.0
// TCP header, options and checksum (RFC 9293 section 3.1, 7323, 2018). Pure, any thread.
#pragma once

#include "dataplane/flow_key.h"
#include "dataplane/tcp/tcp.h"

#include <stdbool.h>
#include <stdint.h>

#define TCP_HEADER_BYTES 20u
#define TCP_OPTION_BYTES_MAX 40u
#define TCP_TS_BYTES 12u // two NOPs and the option

enum segment_flag : uint8_t {
	SEG_FIN = 0x01,
	SEG_SYN = 0x02,
	SEG_RST = 0x04,
	SEG_PSH = 0x08,
	SEG_ACK = 0x10,
	SEG_URG = 0x20,
};

struct segment {
	uint32_t seq;
	uint32_t ack;
	uint16_t window; // as on the wire
	uint16_t mss; // 0 = none; like shift and sack_ok only in a SYN
	uint8_t flags; // of enum segment_flag
	uint8_t shift; // at most 14
	bool has_shift;
	bool has_ts;
	bool sack_ok;
	uint8_t sack_count;
	uint32_t tsval;
	uint32_t tsecr;
	uint32_t sack[8]; // start, end, start, ...
	const uint8_t *payload;
	uint32_t len;
};

// TCP_RX_SEGMENTS if the segment is usable, else the counter of what is wrong with it. An option
// whose length is impossible ends the list: the segment is used without it and *bad_option set.
enum tcp_counter
segment_parse(const uint8_t *bytes, uint32_t len, struct segment *out, bool *bad_option);

// Sequence numbers it occupies.
static inline uint32_t segment_span(const struct segment *s) {
	return s->len + ((s->flags & SEG_SYN) != 0) + ((s->flags & SEG_FIN) != 0);
}

struct segment_header {
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	uint8_t flags;
	uint8_t option_bytes; // multiple of 4
	uint8_t options[TCP_OPTION_BYTES_MAX];
};

// Writes the header with a zero checksum, returns its length.
uint32_t segment_write(uint8_t *out, const struct flow_key *key, const struct segment_header *h);

// One's complement sum over pseudo-header and segment, complemented: 0 for a valid segment, and
// what belongs into a zero checksum field.
uint16_t segment_checksum(const struct flow_key *key, const uint8_t *bytes, uint32_t len);

static inline uint16_t get_be16(const uint8_t *p) {
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p) {
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_be16(uint8_t *p, uint16_t v) {
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v) {
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}
