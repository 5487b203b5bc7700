// SPDX-License-Identifier: Apache-2.0
#include "parsers/decoder.h"
#include "parsers/payload.h"
#include "parsers/readings.h"
#include "parsers/swar.h"
#include "parsers/utf8.h"

#include <emmintrin.h>

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
	struct readings_mark before = readings_marked(out);
	struct readings_filler f;

	if (payload.len == 0)
		return PAYLOAD_EMPTY;
	if (payload.len > PAYLOAD_MAX)
		return PAYLOAD_TOO_LARGE;
	readings_begin(&f, out, hints);
	enum payload_rc rc = decode_format(d, format, payload, &f);
	if (rc != PAYLOAD_OK)
		readings_back(out, before);
	return rc;
}

// No control character, '/', '+', '#', nor anything above ASCII in these bytes.
static inline bool plain_bytes(__m128i bytes) {
	__m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); // signed: from 0x80 on as well

	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('/')));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('+')));
	odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')));
	return _mm_movemask_epi8(odd) == 0;
}

static bool plain_id(struct view id) {
	uint64_t first, last;

	if (id.len < 8) {
		first = bytes_word(id.p, id.len) | (EACH_BYTE * 'a') << 8 * id.len;
		return plain_bytes(_mm_set1_epi64x((long long)first));
	}
	if (id.len <= 16) {
		memcpy(&first, id.p, 8);
		memcpy(&last, id.p + id.len - 8, 8);
		return plain_bytes(_mm_set_epi64x((long long)last, (long long)first));
	}
	for (uint32_t at = 0; at + 16 < id.len; at += 16)
		if (!plain_bytes(_mm_loadu_si128((const __m128i *)(id.p + at))))
			return false;
	return plain_bytes(_mm_loadu_si128((const __m128i *)(id.p + id.len - 16)));
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
