// SPDX-License-Identifier: Apache-2.0
// yyjson over a fixed pool: the one place where JSON text becomes values.
#include "parsers/json_read.h"
#include "parsers/utf8.h"

#include <math.h>
#include <yyjson.h>

#define POOL_ALIGN 16u

static void *pool_alloc(void *owner, size_t size) {
	struct payload_decoder *d = owner;
	size_t need = (size + POOL_ALIGN - 1) & ~(size_t)(POOL_ALIGN - 1);

	if (need > JSON_POOL_BYTES - d->pool_used)
		return nullptr;
	d->pool_last = d->pool_used;
	d->pool_used += (uint32_t)need;
	return d->pool + d->pool_last;
}

// yyjson grows one array, the youngest allocation: that costs nothing here.
static void *pool_realloc(void *owner, void *p, size_t old_size, size_t size) {
	struct payload_decoder *d = owner;

	if ((uint8_t *)p == d->pool + d->pool_last) {
		uint32_t used = d->pool_used;
		d->pool_used = d->pool_last;
		if (pool_alloc(d, size) != nullptr)
			return p;
		d->pool_used = used;
		return nullptr;
	}
	void *to = pool_alloc(d, size);
	if (to != nullptr)
		memcpy(to, p, old_size < size ? old_size : size);
	return to;
}

static void pool_free(void *, void *) {}

static enum payload_rc rc_of(const yyjson_read_err *err, struct view payload) {
	switch (err->code) {
	case YYJSON_READ_ERROR_EMPTY_CONTENT:
	case YYJSON_READ_ERROR_INVALID_PARAMETER:
		return PAYLOAD_EMPTY;
	case YYJSON_READ_ERROR_MEMORY_ALLOCATION:
		return PAYLOAD_TOO_LARGE;
	case YYJSON_READ_ERROR_UNEXPECTED_END:
		return PAYLOAD_TRUNCATED;
	case YYJSON_READ_ERROR_INVALID_NUMBER:
		return PAYLOAD_BAD_NUMBER;
	case YYJSON_READ_ERROR_INVALID_STRING:
		return utf8_valid(payload) ? PAYLOAD_BAD_SYNTAX : PAYLOAD_BAD_UTF8;
	default:
		return PAYLOAD_BAD_SYNTAX;
	}
}

enum payload_rc json_read(struct payload_decoder *d, struct view payload, yyjson_doc **doc) {
	yyjson_alc pool = {pool_alloc, pool_realloc, pool_free, d};
	yyjson_read_err err;

	d->pool_used = 0;
	memcpy(d->copy, payload.p, payload.len);
	memset(d->copy + payload.len, 0, JSON_PADDING);
	*doc = yyjson_read_opts(
		(char *)d->copy,
		payload.len,
		YYJSON_READ_INSITU | YYJSON_READ_ALLOW_INF_AND_NAN | YYJSON_READ_BIGNUM_AS_RAW,
		&pool,
		&err
	);
	return *doc != nullptr ? PAYLOAD_OK : rc_of(&err, payload);
}

// The string without a copy where it has no escapes: then it stands in the payload as it is.
struct view json_string_view(const struct json_source *s, yyjson_val *val, enum payload_rc *rc) {
	const uint8_t *p = (const uint8_t *)unsafe_yyjson_get_str(val);
	uint32_t len = (uint32_t)unsafe_yyjson_get_len(val);
	const uint8_t *original = s->payload.p + (p - s->d->copy);

	if (!s->escaped || len == 0 || memcmp(p, original, len) == 0)
		return view_of(original, len);
	uint8_t *text = readings_text(s->f, len);
	if (text == nullptr) {
		*rc = PAYLOAD_TOO_LARGE;
		return (struct view) {0};
	}
	memcpy(text, p, len);
	return view_of(text, len);
}

// What yyjson could not hold in 64 bits (an integer), or not as a finite double.
static enum payload_rc big_number(yyjson_val *val) {
	const char *p = yyjson_get_raw(val);
	size_t len = yyjson_get_len(val);

	for (size_t i = 0; i < len; i++)
		if (p[i] != '-' && (p[i] < '0' || p[i] > '9'))
			return PAYLOAD_NOT_FINITE;
	return PAYLOAD_BAD_NUMBER;
}

static enum payload_rc number(yyjson_val *val, struct value *v) {
	switch (unsafe_yyjson_get_subtype(val)) {
	case YYJSON_SUBTYPE_UINT:
		v->u = unsafe_yyjson_get_uint(val);
		v->kind = v->u > INT64_MAX ? VALUE_U64 : VALUE_I64;
		return PAYLOAD_OK;
	case YYJSON_SUBTYPE_SINT:
		v->i = unsafe_yyjson_get_sint(val);
		v->kind = VALUE_I64;
		return PAYLOAD_OK;
	default:
		v->f = unsafe_yyjson_get_real(val);
		v->kind = VALUE_F64;
		v->decimals = 0;
		return isfinite(v->f) ? PAYLOAD_OK : PAYLOAD_NOT_FINITE;
	}
}

enum payload_rc json_scalar(const struct json_source *s, yyjson_val *val, struct value *v) {
	enum payload_rc rc = PAYLOAD_OK;

	switch (unsafe_yyjson_get_type(val)) {
	case YYJSON_TYPE_NUM:
		return number(val, v);
	case YYJSON_TYPE_STR:
		v->kind = VALUE_STRING;
		v->s = json_string_view(s, val, &rc);
		return rc;
	case YYJSON_TYPE_BOOL:
		v->kind = VALUE_BOOL;
		v->b = unsafe_yyjson_get_bool(val);
		return PAYLOAD_OK;
	case YYJSON_TYPE_NULL:
		v->kind = VALUE_NULL;
		return PAYLOAD_OK;
	case YYJSON_TYPE_RAW:
		return big_number(val);
	default:
		return PAYLOAD_BAD_TYPE;
	}
}
