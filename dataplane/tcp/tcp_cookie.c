// SPDX-License-Identifier: Apache-2.0
// Stateless handshakes (RFC 4987 section 3.6). Our initial sequence number carries a MAC over
// everything a connection needs; the options that do not fit lie in the low bits of the SYN-ACK's
// timestamp. Nothing is stored before the peer has proved that it receives.
//
//   iss   = offset(flow) + (epoch mod 32 << 27 | mss index << 24 | mac)
//   tsval = clock + offset'(flow), rounded down so that its low 6 bits are
//           peer's window scale (15 = none) << 2 | sack << 1 | 0
//
// The key of an epoch (64 s) is derived from the secret, so all workers agree without talking.
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

#define EPOCH_NS UINT64_C(64000000000)
#define NO_TIMESTAMP 64u // in place of the six option bits
#define NO_SHIFT 15u
#define TS_AGE_MAX_MS (128u * 1000 + 64)

static const uint16_t mss_v4[8] = {TCP_MSS_FLOOR_V4, 536, 1200, 1300, 1380, 1440, 1460, 8960};
static const uint16_t mss_v6[8] = {TCP_MSS_FLOOR_V4, 1220, 1280, 1360, 1400, 1420, 1440, 8940};

uint16_t cookie_mss(uint8_t family, uint8_t index) {
	return family == 4 ? mss_v4[index & 7] : mss_v6[index & 7];
}

// The largest entry that the peer can take; a peer that claims less than the floor gets the floor.
static uint8_t mss_index(uint8_t family, uint16_t mss) {
	uint8_t i = 7;

	if (mss == 0)
		mss = family == 4 ? 536 : 1220;
	while (i > 0 && cookie_mss(family, i) > mss)
		i--;
	return i;
}

static const uint64_t *epoch_key(struct tcp *t, uint32_t epoch) {
	uint64_t label[2] = {epoch, 0};
	uint64_t *key = t->cookie_key[epoch & 1];

	// Both kept keys follow the current epoch: this one's and the one before.
	uint32_t now = (uint32_t)(t->now_ns / EPOCH_NS);
	if (t->epoch != now) {
		t->epoch = now;
		for (uint32_t e = now - 1; e != now + 1; e++) {
			label[0] = e;
			for (label[1] = 0; label[1] < 2; label[1]++)
				t->cookie_key[e & 1][label[1]] =
					siphash13(t->config.secret, label, sizeof(label));
		}
	}
	return key;
}

static uint32_t keyed_offset(const struct tcp *t, const struct flow_key *key, uint64_t purpose) {
	uint64_t k[2] = {t->config.secret[0] ^ purpose, t->config.secret[1]};

	return (uint32_t)siphash13(k, key, sizeof(*key));
}

uint32_t ts_offset_of(const struct tcp *t, const struct flow_key *key) {
	return keyed_offset(t, key, 0x7473); // any two different constants
}

static uint32_t isn_offset(const struct tcp *t, const struct flow_key *key) {
	return keyed_offset(t, key, 0x69736e);
}

static uint32_t
mac(struct tcp *t,
    const struct flow_key *key,
    uint32_t irs,
    uint32_t epoch,
    uint8_t index,
    uint8_t options) {
	struct {
		struct flow_key key;
		uint32_t irs, epoch;
		uint8_t index, options, pad[6];
	} m = {.key = *key, .irs = irs, .epoch = epoch, .index = index, .options = options};

	static_assert(sizeof(m) == 56);
	return (uint32_t)siphash13(epoch_key(t, epoch), &m, sizeof(m)) & 0xffffff;
}

static uint32_t put_options(
	uint8_t *o,
	const struct tcp_service *service,
	const struct segment *s,
	uint32_t tsval
) {
	uint32_t n = 4;

	o[0] = 2;
	o[1] = 4;
	put_be16(o + 2, (uint16_t)(service->mtu - (service->family == 4 ? 40 : 60)));
	if (!s->has_ts)
		return n;
	// SACK-permitted or two NOPs, then the timestamp.
	o[n] = s->sack_ok ? 4 : 1;
	o[n + 1] = s->sack_ok ? 2 : 1;
	o[n + 2] = 8;
	o[n + 3] = 10;
	put_be32(o + n + 4, tsval);
	put_be32(o + n + 8, s->tsval);
	n += 12;
	if (s->has_shift) {
		memcpy(o + n, (const uint8_t[]) {1, 3, 3, 0}, 4);
		n += 4;
	}
	return n;
}

void cookie_answer(
	struct tcp *t,
	const struct tcp_segment_in *in,
	const struct segment *s,
	uint16_t service
) {
	uint32_t epoch = (uint32_t)(t->now_ns / EPOCH_NS);
	uint8_t index = mss_index(in->key->family, s->mss);
	uint8_t options = NO_TIMESTAMP;
	uint32_t tsval = t->ms + ts_offset_of(t, in->key);

	if (s->has_ts) {
		options = (uint8_t)((s->has_shift ? s->shift : NO_SHIFT) << 2 | s->sack_ok << 1);
		uint32_t rounded = (tsval & ~63u) | options;
		tsval = seq_lt(tsval, rounded) ? rounded - 64 : rounded;
	}

	uint32_t value = (epoch & 31) << 27 | (uint32_t)index << 24
		| mac(t, in->key, s->seq, epoch, index, options);
	uint32_t window = t->pressure >= TCP_PRESSURE_SHRINK
		? min_u32(TCP_SMALL_WINDOW, t->config.window)
		: t->config.window;
	struct segment_header h = {
		.seq = isn_offset(t, in->key) + value,
		.ack = s->seq + 1,
		.window = (uint16_t)window,
		.flags = SEG_SYN | SEG_ACK,
	};
	h.option_bytes = (uint8_t)put_options(h.options, &t->config.services[service], s, tsval);

	uint32_t len = TCP_HEADER_BYTES + h.option_bytes;
	uint8_t *room = t->env.room(t->env.owner, len);
	if (room == nullptr) {
		count(t, TCP_TX_NO_ROOM);
		return;
	}
	segment_write(room, in->key, &h);
	if (t->config.fill_checksum)
		put_be16(room + 16, segment_checksum(in->key, room, len));
	count(t, TCP_SYN_COOKIES);
	count(t, TCP_TX_SEGMENTS);
	t->env.send(t->env.owner, &(struct tcp_segment_out) {in->key, in->path, room, len});
}

enum cookie_rc cookie_check(
	struct tcp *t,
	const struct flow_key *key,
	const struct segment *s,
	struct cookie *out
) {
	uint32_t value = s->ack - 1 - isn_offset(t, key);
	uint32_t now = (uint32_t)(t->now_ns / EPOCH_NS);
	uint32_t age = (now - (value >> 27)) & 31;
	uint8_t index = value >> 24 & 7;
	uint8_t options = NO_TIMESTAMP;
	uint32_t offset = ts_offset_of(t, key);

	if (age > 1)
		return COOKIE_STRANGE;
	if (s->has_ts) {
		if (t->ms + offset - s->tsecr > TS_AGE_MAX_MS)
			return COOKIE_STRANGE;
		options = s->tsecr & 63;
	}
	if (mac(t, key, s->seq - 1, now - age, index, options) != (value & 0xffffff))
		return COOKIE_BAD;

	uint8_t shift = options >> 2 & 15;
	*out = (struct cookie) {
		.mss = cookie_mss(key->family, index),
		.mss_index = index,
		.ts = s->has_ts,
		.ts_offset = offset,
		.sack = s->has_ts && (options & 2) != 0,
		.shift = !s->has_ts || shift == NO_SHIFT ? 0 : shift,
	};
	return COOKIE_GOOD;
}
