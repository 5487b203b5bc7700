// SPDX-License-Identifier: Apache-2.0
#include "parsers/decoder.h"
#include "parsers/payload.h"
#include "parsers/readings.h"
#include "parsers/utf8.h"

const char *payload_rc_label(enum payload_rc rc) {
	static const char *const labels[PAYLOAD_RC_COUNT] = {
#define X(id, label) [id] = label,
		PAYLOAD_RCS(X)
#undef X
	};
	return rc < PAYLOAD_RC_COUNT ? labels[rc] : "?";
}

const char *payload_format_label(enum payload_format format) {
	static const char *const labels[PAYLOAD_FORMAT_COUNT] = {
#define X(id, label) [id] = label,
		PAYLOAD_FORMATS(X)
#undef X
	};
	return format < PAYLOAD_FORMAT_COUNT ? labels[format] : "?";
}

static_assert(sizeof(struct payload_decoder) < UINT32_MAX);

uint32_t payload_decoder_size(void) {
	return (sizeof(struct payload_decoder) + 63) & ~63u;
}

struct payload_decoder *payload_decoder_init(void *memory) {
	struct payload_decoder *d = memory;

	d->pool_used = 0;
	d->pool_last = 0;
	return d;
}

static enum payload_rc decode_format(
	struct payload_decoder *d,
	enum payload_format format,
	struct view payload,
	struct readings_filler *f
) {
	switch (format) {
	case PAYLOAD_JSON:
		return json_decode(d, payload, f);
	case PAYLOAD_SENML_JSON:
		return senml_json_decode(d, payload, f);
	case PAYLOAD_SENML_CBOR:
		return senml_cbor_decode(payload, f);
	case PAYLOAD_CBOR:
		return cbor_decode(payload, f);
	case PAYLOAD_LINE:
		return line_decode(payload, f);
	case PAYLOAD_RAW:
		return raw_decode(payload, f);
	default:
		return PAYLOAD_BAD_TYPE;
	}
}

enum payload_rc payload_decode(
	struct payload_decoder *d,
	enum payload_format format,
	struct view payload,
	const struct payload_hints *hints,
	struct readings *out
) {
	uint16_t reading_count = out->reading_count;
	uint16_t field_count = out->field_count;
	uint32_t text_used = out->text_used;
	struct readings_filler f;

	if (payload.len == 0)
		return PAYLOAD_EMPTY;
	if (payload.len > PAYLOAD_MAX)
		return PAYLOAD_TOO_LARGE;
	readings_begin(&f, out, hints);
	enum payload_rc rc = decode_format(d, format, payload, &f);
	if (rc != PAYLOAD_OK) {
		out->reading_count = reading_count;
		out->field_count = field_count;
		out->text_used = text_used;
	}
	return rc;
}

#define EACH_BYTE 0x0101010101010101u

// Nonzero if a byte of the word is c; or has borrowed from one that is.
static uint64_t has_byte(uint64_t word, uint8_t c) {
	uint64_t zero = word ^ EACH_BYTE * c;

	return (zero - EACH_BYTE) & ~zero;
}

// No control character, '/', '+', '#', nor anything above ASCII in these eight bytes.
static bool plain_word(uint64_t w) {
	uint64_t odd = w | (w - EACH_BYTE * 0x20) | has_byte(w, 0x7f) | has_byte(w, '/')
		| has_byte(w, '+') | has_byte(w, '#');

	return (odd & EACH_BYTE * 0x80) == 0;
}

static bool plain_id(struct view id) {
	uint64_t word;

	if (id.len < 8)
		return plain_word(bytes_word(id.p, id.len) | (EACH_BYTE * 'a') << 8 * id.len);
	for (uint32_t at = 0; at + 8 <= id.len; at += 8) {
		memcpy(&word, id.p + at, 8);
		if (!plain_word(word))
			return false;
	}
	memcpy(&word, id.p + id.len - 8, 8);
	return plain_word(word);
}

bool device_id_valid(struct view id) {
	if (id.len == 0 || id.len > DEVICE_ID_MAX)
		return false;
	if (plain_id(id))
		return true;
	for (uint32_t i = 0; i < id.len; i++) {
		uint8_t c = id.p[i];
		if (c < 0x20 || c == 0x7f || c == '/' || c == '+' || c == '#')
			return false;
	}
	return utf8_valid(id);
}
