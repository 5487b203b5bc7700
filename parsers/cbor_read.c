// SPDX-License-Identifier: Apache-2.0
#include "parsers/cbor_read.h"
#include "parsers/number.h"
#include "parsers/utf8.h"

#include <math.h>
#include <stdio.h>

#define TAG_BIGNUM 2
#define TAG_NEGATIVE_BIGNUM 3
#define TAG_DECIMAL_FRACTION 4

enum payload_rc cbor_rc(CborError err) {
	switch (err) {
	case CborNoError:
		return PAYLOAD_OK;
	case CborErrorUnexpectedEOF:
	case CborErrorAdvancePastEOF:
		return PAYLOAD_TRUNCATED;
	case CborErrorNestingTooDeep:
		return PAYLOAD_TOO_DEEP;
	case CborErrorDataTooLarge:
		return PAYLOAD_TOO_LARGE;
	default:
		return PAYLOAD_BAD_SYNTAX;
	}
}

enum payload_rc cbor_begin(struct cbor_source *s, CborValue *root) {
	return cbor_rc(cbor_parser_init(s->payload.p, s->payload.len, 0, &s->parser, root));
}

enum payload_rc cbor_end(const struct cbor_source *s, const CborValue *root) {
	return cbor_value_get_next_byte(root) == s->payload.p + s->payload.len ? PAYLOAD_OK
									       : PAYLOAD_BAD_SYNTAX;
}

enum payload_rc cbor_tags(CborValue *it, uint64_t *tag) {
	*tag = CBOR_NO_TAG;
	while (cbor_value_is_tag(it)) {
		cbor_value_get_tag(it, tag);
		enum payload_rc rc = cbor_rc(cbor_value_advance_fixed(it));
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return PAYLOAD_OK;
}

// Bytes of a head (RFC 8949, section 3) by its first byte.
static uint32_t head_len(uint8_t first) {
	uint8_t info = first & 0x1f;

	return info < 24 ? 1 : 1 + (1u << (info - 24));
}

static enum payload_rc chunked(struct cbor_source *s, CborValue *it, struct view *out) {
	uint8_t *text = readings_text(s->f, 0);
	uint32_t len = 0;
	CborError err = cbor_value_begin_string_iteration(it);

	while (err == CborNoError) {
		const void *chunk;
		size_t n;
		err = _cbor_value_get_string_chunk(it, &chunk, &n, it);
		if (err != CborNoError)
			break;
		if (n > PAYLOAD_MAX)
			return PAYLOAD_TRUNCATED;
		uint8_t *to = readings_text(s->f, (uint32_t)n);
		if (to == nullptr)
			return PAYLOAD_TOO_LARGE;
		if (n > 0)
			memcpy(to, chunk, n);
		len += (uint32_t)n;
	}
	if (err == CborErrorNoMoreStringChunks)
		err = cbor_value_finish_string_iteration(it);
	*out = view_of(text, len);
	return cbor_rc(err);
}

static enum payload_rc string(struct cbor_source *s, CborValue *it, struct view *out) {
	size_t len;

	if (!cbor_value_is_length_known(it))
		return chunked(s, it, out);
	const uint8_t *head = cbor_value_get_next_byte(it);
	CborError err = cbor_value_get_string_length(it, &len);
	if (err == CborNoError)
		err = cbor_value_advance(it);
	if (err != CborNoError)
		return cbor_rc(err);
	*out = view_of(head + head_len(*head), (uint32_t)len);
	return PAYLOAD_OK;
}

static enum payload_rc integer(CborValue *it, struct value *v) {
	uint64_t raw;

	cbor_value_get_raw_integer(it, &raw);
	if (cbor_value_is_unsigned_integer(it)) {
		v->kind = raw > INT64_MAX ? VALUE_U64 : VALUE_I64;
		v->u = raw;
	} else {
		if (raw > INT64_MAX)
			return PAYLOAD_BAD_NUMBER;
		v->kind = VALUE_I64;
		v->i = -(int64_t)raw - 1;
	}
	return cbor_rc(cbor_value_advance_fixed(it));
}

static enum payload_rc floating(CborValue *it, struct value *v) {
	float f = 0;

	v->kind = VALUE_F64;
	switch (cbor_value_get_type(it)) {
	case CborHalfFloatType:
		cbor_value_get_half_float_as_float(it, &f);
		v->f = (double)f;
		break;
	case CborFloatType:
		cbor_value_get_float(it, &f);
		v->f = (double)f;
		break;
	default:
		cbor_value_get_double(it, &v->f);
		break;
	}
	if (!isfinite(v->f))
		return PAYLOAD_NOT_FINITE;
	return cbor_rc(cbor_value_advance_fixed(it));
}

// RFC 8949, section 3.4.4: [exponent, mantissa], base 10. Read as the text says it, so that it
// rounds as a decimal number does.
static enum payload_rc decimal_fraction(CborValue *it, struct value *v) {
	struct value part[2];
	char text[NUMBER_TEXT_MAX];
	CborValue in;

	if (cbor_value_get_type(it) != CborArrayType)
		return PAYLOAD_BAD_TYPE;
	enum payload_rc rc = cbor_rc(cbor_value_enter_container(it, &in));
	for (int i = 0; i < 2 && rc == PAYLOAD_OK; i++) {
		if (cbor_value_at_end(&in))
			return PAYLOAD_BAD_SYNTAX;
		if (!cbor_value_is_integer(&in))
			return PAYLOAD_BAD_TYPE;
		rc = integer(&in, &part[i]);
	}
	if (rc != PAYLOAD_OK)
		return rc;
	if (!cbor_value_at_end(&in))
		return PAYLOAD_BAD_SYNTAX;
	rc = cbor_rc(cbor_value_leave_container(it, &in));
	if (rc != PAYLOAD_OK)
		return rc;
	if (part[0].kind != VALUE_I64 || part[1].kind != VALUE_I64 || part[0].i > 400
	    || part[0].i < -400)
		return PAYLOAD_BAD_NUMBER;
	int n = snprintf(
		text, sizeof(text), "%lldE%lld", (long long)part[1].i, (long long)part[0].i
	);
	v->kind = VALUE_F64;
	return number_f64(view_of(text, (uint32_t)n), &v->f);
}

enum payload_rc cbor_scalar(struct cbor_source *s, CborValue *it, struct value *v) {
	uint64_t tag;
	enum payload_rc rc = cbor_tags(it, &tag);

	if (rc != PAYLOAD_OK)
		return rc;
	if (tag == TAG_DECIMAL_FRACTION)
		return decimal_fraction(it, v);
	if (tag == TAG_BIGNUM || tag == TAG_NEGATIVE_BIGNUM)
		return PAYLOAD_BAD_NUMBER;
	switch (cbor_value_get_type(it)) {
	case CborIntegerType:
		return integer(it, v);
	case CborTextStringType:
		v->kind = VALUE_STRING;
		rc = string(s, it, &v->s);
		return rc == PAYLOAD_OK && !utf8_valid(v->s) ? PAYLOAD_BAD_UTF8 : rc;
	case CborByteStringType:
		v->kind = VALUE_BYTES;
		return string(s, it, &v->s);
	case CborBooleanType:
		v->kind = VALUE_BOOL;
		cbor_value_get_boolean(it, &v->b);
		return cbor_rc(cbor_value_advance_fixed(it));
	case CborNullType:
	case CborUndefinedType:
		v->kind = VALUE_NULL;
		return cbor_rc(cbor_value_advance_fixed(it));
	case CborHalfFloatType:
	case CborFloatType:
	case CborDoubleType:
		return floating(it, v);
	default:
		return PAYLOAD_BAD_TYPE;
	}
}
