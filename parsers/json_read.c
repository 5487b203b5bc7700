// SPDX-License-Identifier: Apache-2.0
// yyjson over a fixed pool: the one place where JSON text becomes values.
#include "parsers/decoder.h"
#include "parsers/utf8.h"

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
