// SPDX-License-Identifier: Apache-2.0
#include "ref_client.h"
#include "rig.h"

#define MS UINT64_C(1000000)
#define CWND_SEGMENTS 12

uint8_t ref_byte_up(uint32_t salt, uint64_t i) {
	return (uint8_t)((i + salt) * 2654435761u >> 13);
}

uint8_t ref_byte_down(uint32_t salt, uint64_t i) {
	return (uint8_t)((i + salt) * 2246822519u >> 11);
}

static int32_t diff(uint32_t a, uint32_t b) {
	return (int32_t)(a - b);
}

static uint32_t be32(const uint8_t *p) {
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void wr32(uint8_t *p, uint32_t v) {
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static bool early_get(const struct ref_client *c, uint32_t seq) {
	return (c->early[seq % REF_BUFFER / 8] >> seq % 8 & 1) != 0;
}

static void early_set(struct ref_client *c, uint32_t seq, bool on) {
	uint8_t bit = (uint8_t)(1 << seq % 8);

	if (on)
		c->early[seq % REF_BUFFER / 8] |= bit;
	else
		c->early[seq % REF_BUFFER / 8] &= (uint8_t)~bit;
}

static uint32_t window(struct ref_client *c) {
	uint32_t room = c->buffer - c->unread;
	uint32_t units = room >> (c->scale && c->ts_on ? c->shift : 0);

	units = units > 65535 ? 65535 : units;
	return units;
}

// The run of early bytes around last_block.
static bool sack_block(const struct ref_client *c, uint32_t *start, uint32_t *end) {
	uint32_t a = c->last_block;
	uint32_t b;

	if (diff(a, c->rcv_nxt) <= 0 || !early_get(c, a))
		return false;
	while (diff(a - 1, c->rcv_nxt) > 0 && early_get(c, a - 1))
		a--;
	for (b = a; b - c->rcv_nxt < c->buffer && early_get(c, b); b++)
		;
	*start = a;
	*end = b;
	return true;
}

static uint32_t options(struct ref_client *c, uint8_t flags, uint8_t *o) {
	uint32_t n = 0;
	uint32_t a, b;

	if ((flags & S) != 0) {
		memcpy(o, (const uint8_t[]) {2, 4, (uint8_t)(c->mss >> 8), (uint8_t)c->mss}, 4);
		n = 4;
		if (c->sack)
			memcpy(o + n, (const uint8_t[]) {4, 2, 1, 1}, 4), n += 4;
		if (c->scale)
			memcpy(o + n, (const uint8_t[]) {3, 3, c->shift, 1}, 4), n += 4;
	}
	if ((flags & S) != 0 ? c->ts : c->ts_on) {
		memcpy(o + n, (const uint8_t[]) {1, 1, 8, 10}, 4);
		wr32(o + n + 4, (uint32_t)(c->now / MS) + c->ts_offset);
		wr32(o + n + 8, (flags & A) != 0 ? c->ts_recent : 0);
		n += 12;
	}
	if (c->sack_on && (flags & S) == 0 && sack_block(c, &a, &b)) {
		memcpy(o + n, (const uint8_t[]) {1, 1, 5, 10}, 4);
		wr32(o + n + 4, a);
		wr32(o + n + 8, b);
		n += 12;
	}
	return n;
}

static void emit(struct ref_client *c, uint32_t seq, uint32_t len, uint8_t flags) {
	uint8_t raw[9300];
	uint8_t payload[9000];
	uint8_t o[40];
	uint32_t n = options(c, flags, o);
	uint32_t w = (flags & S) != 0 ? (c->buffer > 65535 ? 65535 : c->buffer) : window(c);

	for (uint32_t i = 0; i < len; i++)
		payload[i] = ref_byte_up(c->salt, seq - c->iss - 1 + i);
	uint32_t total =
		rig_build(raw, &c->key, seq, c->rcv_nxt, flags, (uint16_t)w, o, n, payload, len);
	c->ack_at = 0;
	c->send(c->owner, c, raw, total);
}

void ref_connect(struct ref_client *c, uint32_t iss, uint64_t now) {
	c->now = now;
	c->state = REF_SYN_SENT;
	c->iss = iss;
	c->una = iss;
	c->nxt = c->high = iss + 1;
	c->reading = true;
	c->rtx_at = now + 1000 * MS;
	emit(c, iss, 0, S);
}

static uint64_t rto(const struct ref_client *c) {
	uint64_t ms = UINT64_C(400) << (c->backoff < 4 ? c->backoff : 4);

	return ms * MS;
}

static uint32_t stream_end(const struct ref_client *c) {
	return c->iss + 1 + (uint32_t)c->limit;
}

// Sends from nxt what windows allow.
static void output(struct ref_client *c) {
	uint32_t room = c->peer_wnd;
	uint32_t mss = c->mss - (c->ts_on ? 12u : 0) - (c->sack_on ? 12u : 0);

	if (c->state != REF_OPEN)
		return;
	room = room > CWND_SEGMENTS * mss ? CWND_SEGMENTS * mss : room;
	while (diff(stream_end(c), c->nxt) > 0 && diff(c->una + room, c->nxt) > 0) {
		uint32_t len = stream_end(c) - c->nxt;
		len = len > mss ? mss : len;
		len = len > c->una + room - c->nxt ? c->una + room - c->nxt : len;
		emit(c, c->nxt, len, A | P);
		c->nxt += len;
	}
	if (c->fin_wanted && c->nxt == stream_end(c)) {
		emit(c, c->nxt, 0, A | F);
		c->nxt++;
		c->fin_sent = true;
	}
	c->high = diff(c->nxt, c->high) > 0 ? c->nxt : c->high;
	bool owed = c->una != c->high || diff(stream_end(c), c->nxt) > 0;
	if (!owed)
		c->rtx_at = 0;
	else if (c->rtx_at == 0)
		c->rtx_at = c->now + rto(c);
}

void ref_kick(struct ref_client *c, uint64_t now) {
	c->now = now;
	if (c->state != REF_OPEN)
		return;
	if (c->reading && c->unread > 0) {
		c->unread = 0;
		emit(c, c->nxt, 0, A); // window update; may be lost
	}
	output(c);
}

void ref_abort(struct ref_client *c, uint64_t now) {
	c->now = now;
	if (c->state == REF_OPEN)
		emit(c, c->nxt, 0, R | A);
	c->state = REF_RESET;
	c->rtx_at = c->ack_at = 0;
}

static void finish_if_done(struct ref_client *c) {
	if (c->fin_received && c->fin_sent && c->una == stream_end(c) + 1) {
		c->state = REF_DONE;
		c->rtx_at = 0;
	}
}

static void got_ack(struct ref_client *c, uint32_t ack, uint32_t w, bool bare) {
	if (diff(ack, c->high) > 0) {
		c->broken = "the server acknowledged what was never sent";
		return;
	}
	if (diff(ack, c->una) > 0) {
		c->una = ack;
		c->nxt = diff(ack, c->nxt) > 0 ? ack : c->nxt;
		c->backoff = 0;
		c->dupacks = 0;
		c->rtx_at = 0;
		c->peer_wnd = w;
	} else if (ack == c->una) {
		if (bare && w == c->peer_wnd && c->una != c->high && ++c->dupacks == 3) {
			uint32_t keep = c->nxt;
			uint32_t len = stream_end(c) - c->una;
			len = len > c->mss - 40u ? c->mss - 40u : len;
			len = len > c->high - c->una ? c->high - c->una : len;
			if (diff(stream_end(c), c->una) > 0)
				emit(c, c->una, len, A | P);
			c->nxt = keep;
		}
		c->peer_wnd = w;
	}
}

// Bytes into the bitmap and the pattern check; in-order ones are received.
static void got_data(struct ref_client *c, uint32_t seq, const uint8_t *p, uint32_t len) {
	bool fresh = false;

	for (uint32_t i = 0; i < len; i++) {
		uint32_t at = seq + i;
		if (diff(at, c->rcv_nxt) < 0)
			continue;
		if (at - c->rcv_nxt >= c->buffer - c->unread) {
			if (diff(at, c->adv) > 1) // one byte of a probe may be outside
				c->broken = "the server sent beyond the window";
			break;
		}
		if (p[i] != ref_byte_down(c->salt, at - c->irs - 1)) {
			c->broken = "a wrong byte came from the server";
			return;
		}
		if (!fresh && at != c->rcv_nxt)
			c->last_block = at;
		fresh = true;
		early_set(c, at, true);
	}
	while (early_get(c, c->rcv_nxt)) {
		early_set(c, c->rcv_nxt, false);
		c->rcv_nxt++;
		c->received++;
		if (!c->reading)
			c->unread++;
	}
}

static void
read_options(struct ref_client *c, const uint8_t *p, uint32_t header, bool syn, uint32_t seq) {
	for (uint32_t i = 20; i < header && p[i] != 0; i += p[i] == 1 ? 1 : p[i + 1]) {
		if (p[i] == 8) {
			if (syn)
				c->ts_on = true;
			if (syn || diff(seq, c->rcv_nxt) <= 0)
				c->ts_recent = be32(p + i + 2);
		} else if (p[i] == 4 && syn) {
			c->sack_on = c->sack;
			if (!c->sack)
				c->broken = "SACK was not offered";
		} else if (p[i] == 3 && syn) {
			c->peer_shift = p[i + 2];
			if (!c->scale)
				c->broken = "window scaling was not offered";
		}
	}
}

static void got_syn_ack(struct ref_client *c, const uint8_t *p, uint32_t header) {
	bool ours = be32(p + 8) == c->iss + 1;

	if (c->state != REF_SYN_SENT || !ours)
		return;
	read_options(c, p, header, true, 0);
	// A scale we offered holds for our window only if the server echoed the option.
	bool echoed = false;
	for (uint32_t i = 20; i < header && p[i] != 0; i += p[i] == 1 ? 1 : p[i + 1])
		echoed |= p[i] == 3;
	c->scale = c->scale && echoed;
	c->irs = be32(p + 4);
	c->rcv_nxt = c->irs + 1;
	c->adv = c->rcv_nxt + c->buffer;
	c->una = c->iss + 1;
	c->peer_wnd = (uint32_t)p[14] << 8 | p[15];
	c->state = REF_OPEN;
	c->rtx_at = 0;
	c->backoff = 0;
	emit(c, c->nxt, 0, A);
	output(c);
}

void ref_input(struct ref_client *c, const uint8_t *p, uint32_t len, uint64_t now) {
	uint32_t header = (uint32_t)(p[12] >> 4) * 4;
	uint8_t flags = p[13];
	uint32_t seq = be32(p + 4);

	c->now = now;
	if (rig_checksum(&c->key, p, len) != 0 || c->state == REF_IDLE)
		return;
	if (c->state == REF_RESET) {
		if ((flags & R) == 0)
			emit(c, be32(p + 8), 0, R);
		return;
	}
	if ((flags & (S | A)) == (S | A)) {
		got_syn_ack(c, p, header);
		return;
	}
	if (c->state == REF_SYN_SENT)
		return;
	if ((flags & R) != 0) {
		if (seq == c->rcv_nxt || (flags & A) != 0 || c->state == REF_OPEN) {
			c->state = c->state == REF_DONE ? REF_DONE : REF_RESET;
			c->rtx_at = c->ack_at = 0;
		}
		return;
	}
	uint32_t payload = len - header;
	uint32_t before = c->rcv_nxt;
	read_options(c, p, header, false, seq);
	got_ack(c,
		be32(p + 8),
		((uint32_t)p[14] << 8 | p[15]) << c->peer_shift,
		payload == 0 && (flags & F) == 0);
	got_data(c, seq, p + header, payload);
	if ((flags & F) != 0 && seq + payload == c->rcv_nxt && !c->fin_received) {
		c->rcv_nxt++;
		c->fin_received = true;
	}
	c->adv = diff(c->rcv_nxt + c->buffer - c->unread, c->adv) > 0
		? c->rcv_nxt + c->buffer - c->unread
		: c->adv;
	if (c->state == REF_OPEN)
		output(c);
	finish_if_done(c);
	if (payload == 0 && (flags & F) == 0)
		return;
	if (c->lazy_ack && c->rcv_nxt != before && (flags & F) == 0 && c->ack_at == 0)
		c->ack_at = now + 40 * MS;
	else
		emit(c, c->nxt, 0, A);
}

static void retransmit(struct ref_client *c) {
	c->backoff++;
	if (c->state == REF_SYN_SENT) {
		emit(c, c->iss, 0, S);
		c->rtx_at = c->now + (UINT64_C(1000) << (c->backoff < 3 ? c->backoff : 3)) * MS;
		return;
	}
	c->rtx_at = 0;
	if (c->peer_wnd == 0 && diff(stream_end(c), c->una) > 0) {
		// A probe: a byte of data, or like Linux an old sequence number.
		if (c->bare_probes && c->una == c->high) {
			emit(c, c->una - 1, 0, A);
		} else {
			emit(c, c->una, 1, A);
			c->high = diff(c->una + 1, c->high) > 0 ? c->una + 1 : c->high;
			c->nxt = diff(c->una + 1, c->nxt) > 0 ? c->una + 1 : c->nxt;
		}
		c->rtx_at = c->now + rto(c);
		return;
	}
	c->nxt = c->una;
	output(c);
	c->rtx_at = c->now + rto(c);
}

void ref_timer(struct ref_client *c, uint64_t now) {
	c->now = now;
	if (c->ack_at != 0 && c->ack_at <= now)
		emit(c, c->nxt, 0, A);
	if (c->rtx_at != 0 && c->rtx_at <= now)
		retransmit(c);
}

uint64_t ref_due(const struct ref_client *c) {
	uint64_t due = UINT64_MAX;

	if (c->state == REF_RESET || c->state == REF_IDLE)
		return due;
	if (c->rtx_at != 0)
		due = c->rtx_at;
	if (c->ack_at != 0 && c->ack_at < due)
		due = c->ack_at;
	return due;
}
