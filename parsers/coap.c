// SPDX-License-Identifier: Apache-2.0
#include "parsers/coap.h"

#define PAYLOAD_MARKER 0xff
#define NIBBLE_8BIT 13
#define NIBBLE_16BIT 14
#define EXTEND_8BIT 13
#define EXTEND_16BIT 269

const char *coap_rc_label(enum coap_rc rc) {
	static const char *const labels[COAP_RC_COUNT] = {
#define X(id, label) [id] = label,
		COAP_RCS(X)
#undef X
	};
	return rc < COAP_RC_COUNT ? labels[rc] : "?";
}

// The nibble or its extension (section 3.1). 15 is judged before.
static uint32_t extended(struct rd *r, uint8_t nibble) {
	if (nibble == NIBBLE_8BIT)
		return EXTEND_8BIT + rd_u8(r);
	if (nibble == NIBBLE_16BIT)
		return EXTEND_16BIT + rd_be16(r);
	return nibble;
}

// One option at r; `number` is the previous one's and becomes this one's.
static enum coap_rc option_read(struct rd *r, uint32_t *number, struct view *value) {
	uint8_t head = rd_u8(r);

	if (head >> 4 == 15 || (head & 15) == 15)
		return COAP_BAD_OPTION;
	*number += extended(r, head >> 4);
	*value = rd_take(r, extended(r, head & 15));
	if (r->failed)
		return COAP_BAD_LENGTH;
	return *number > UINT16_MAX ? COAP_BAD_NUMBER : COAP_OK;
}

static enum coap_rc options_check(struct rd *r, struct coap_message *out) {
	const uint8_t *start = r->p;
	uint32_t number = 0;
	struct view value;

	for (uint32_t n = 0; rd_left(r) > 0 && *r->p != PAYLOAD_MARKER; n++) {
		if (n == COAP_OPTIONS_MAX)
			return COAP_TOO_MANY;
		enum coap_rc rc = option_read(r, &number, &value);
		if (rc != COAP_OK)
			return rc;
	}
	out->options = view_of(start, (uint32_t)(r->p - start));
	if (rd_left(r) == 0)
		return COAP_OK;

	rd_u8(r);
	out->payload = rd_rest(r);
	return out->payload.len > 0 ? COAP_OK : COAP_BAD_MARKER;
}

enum coap_rc coap_decode(struct view datagram, struct coap_message *out) {
	struct rd r = rd_from(datagram);

	*out = (struct coap_message) {0};
	if (datagram.len < COAP_HEADER_BYTES)
		return COAP_BAD_SHORT;
	uint8_t first = rd_u8(&r);
	if (first >> 6 != 1)
		return COAP_BAD_VERSION;
	out->type = (first >> 4) & 3;
	out->code = rd_u8(&r);
	out->mid = rd_be16(&r);

	uint8_t token_len = first & 15;
	if (token_len > COAP_TOKEN_MAX)
		return COAP_BAD_TOKEN;
	if (out->code == COAP_EMPTY)
		return datagram.len == COAP_HEADER_BYTES && token_len == 0 ? COAP_OK
									   : COAP_BAD_EMPTY;
	unsigned class = coap_code_class(out->code);
	if (class == 1 || class > 5)
		return COAP_BAD_CLASS;
	out->token = rd_take(&r, token_len);
	if (r.failed)
		return COAP_BAD_TOKEN;
	return options_check(&r, out);
}

struct coap_options coap_options_of(const struct coap_message *m) {
	return (struct coap_options) {.rd = rd_from(m->options)};
}

bool coap_option_next(struct coap_options *it, struct coap_option *out) {
	if (rd_left(&it->rd) == 0)
		return false;
	if (option_read(&it->rd, &it->number, &out->value) != COAP_OK)
		return false;
	out->number = (uint16_t)it->number;
	return true;
}

bool coap_option_uint(struct view value, uint32_t max_bytes, uint32_t *out) {
	uint32_t v = 0;

	if (value.len > max_bytes)
		return false;
	for (uint32_t i = 0; i < value.len; i++)
		v = v << 8 | value.p[i];
	*out = v;
	return true;
}

bool coap_block_decode(struct view value, struct coap_block *out) {
	uint32_t v;

	if (!coap_option_uint(value, 3, &v) || (v & 7) == 7)
		return false;
	*out = (struct coap_block) {.num = v >> 4, .more = (v & 8) != 0, .szx = v & 7};
	return true;
}

static void put(struct coap_writer *w, const void *bytes, uint32_t len) {
	if (w->failed || (uint32_t)(w->end - w->p) < len) {
		w->failed = true;
		return;
	}
	if (len > 0)
		memcpy(w->p, bytes, len);
	w->p += len;
}

static void put_u8(struct coap_writer *w, uint8_t v) {
	put(w, &v, 1);
}

struct coap_writer coap_write(
	uint8_t *out,
	uint32_t room,
	enum coap_type type,
	uint8_t code,
	uint16_t mid,
	struct view token
) {
	struct coap_writer w = {.start = out, .p = out, .end = out + room};

	if (token.len > COAP_TOKEN_MAX)
		w.failed = true;
	put_u8(&w, (uint8_t)(1 << 6 | type << 4 | (token.len & 15)));
	put_u8(&w, code);
	put_u8(&w, (uint8_t)(mid >> 8));
	put_u8(&w, (uint8_t)mid);
	put(&w, token.p, token.len);
	return w;
}

static uint8_t nibble_of(uint32_t v) {
	if (v < EXTEND_8BIT)
		return (uint8_t)v;
	return v < EXTEND_16BIT ? NIBBLE_8BIT : NIBBLE_16BIT;
}

static void put_extension(struct coap_writer *w, uint32_t v) {
	if (v >= EXTEND_16BIT) {
		put_u8(w, (uint8_t)((v - EXTEND_16BIT) >> 8));
		put_u8(w, (uint8_t)(v - EXTEND_16BIT));
	} else if (v >= EXTEND_8BIT) {
		put_u8(w, (uint8_t)(v - EXTEND_8BIT));
	}
}

void coap_write_option(struct coap_writer *w, uint16_t number, struct view value) {
	if (number < w->number || value.len > EXTEND_16BIT + UINT16_MAX) {
		w->failed = true;
		return;
	}
	uint32_t delta = number - w->number;

	put_u8(w, (uint8_t)(nibble_of(delta) << 4 | nibble_of(value.len)));
	put_extension(w, delta);
	put_extension(w, value.len);
	put(w, value.p, value.len);
	w->number = number;
}

void coap_write_uint(struct coap_writer *w, uint16_t number, uint32_t value) {
	uint8_t be[4] = {
		(uint8_t)(value >> 24),
		(uint8_t)(value >> 16),
		(uint8_t)(value >> 8),
		(uint8_t)value,
	};
	uint32_t skip = 0;

	while (skip < 4 && be[skip] == 0)
		skip++;
	coap_write_option(w, number, view_of(be + skip, 4 - skip));
}

void coap_write_block(struct coap_writer *w, uint16_t number, const struct coap_block *b) {
	coap_write_uint(w, number, b->num << 4 | (uint32_t)b->more << 3 | b->szx);
}

void coap_write_payload(struct coap_writer *w, struct view payload) {
	if (payload.len == 0)
		return;
	put_u8(w, PAYLOAD_MARKER);
	put(w, payload.p, payload.len);
}

uint32_t coap_writer_len(const struct coap_writer *w) {
	return w->failed ? 0 : (uint32_t)(w->p - w->start);
}
