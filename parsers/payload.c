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

bool device_id_valid(struct view id) {
	if (id.len == 0 || id.len > DEVICE_ID_MAX)
		return false;
	for (uint32_t i = 0; i < id.len; i++) {
		uint8_t c = id.p[i];
		if (c < 0x20 || c == 0x7f || c == '/' || c == '+' || c == '#')
			return false;
	}
	return utf8_valid(id);
}
