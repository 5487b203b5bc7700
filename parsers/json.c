// SPDX-License-Identifier: Apache-2.0
// JSON (RFC 8259): an object is one reading, an array of objects is one reading each.
#include "parsers/decoder.h"
#include "parsers/readings.h"

#include <math.h>
#include <yyjson.h>

struct json_source {
	struct payload_decoder *d;
	struct view payload;
	struct readings_filler *f;
};

// The string without a copy where it has no escapes: then it stands in the payload as it is.
static enum payload_rc string_view(const struct json_source *s, yyjson_val *val, struct view *out) {
	const uint8_t *p = (const uint8_t *)unsafe_yyjson_get_str(val);
	uint32_t len = (uint32_t)unsafe_yyjson_get_len(val);
	const uint8_t *original = s->payload.p + (p - s->d->copy);

	if (len == 0 || memcmp(p, original, len) == 0) {
		*out = view_of(original, len);
		return PAYLOAD_OK;
	}
	uint8_t *text = readings_text(s->f, len);
	if (text == nullptr)
		return PAYLOAD_TOO_LARGE;
	memcpy(text, p, len);
	*out = view_of(text, len);
	return PAYLOAD_OK;
}

// What yyjson could not hold in 64 bits: an integer is refused, and so is a double without end.
static enum payload_rc big_number(yyjson_val *val) {
	const char *p = yyjson_get_raw(val);
	size_t len = yyjson_get_len(val);

	for (size_t i = 0; i < len; i++)
		if (p[i] == '.' || p[i] == 'e' || p[i] == 'E')
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
		return isfinite(v->f) ? PAYLOAD_OK : PAYLOAD_NOT_FINITE;
	}
}

static enum payload_rc scalar(const struct json_source *s, yyjson_val *val, struct value *v) {
	switch (unsafe_yyjson_get_type(val)) {
	case YYJSON_TYPE_NUM:
		return number(val, v);
	case YYJSON_TYPE_STR:
		v->kind = VALUE_STRING;
		return string_view(s, val, &v->s);
	case YYJSON_TYPE_BOOL:
		v->kind = VALUE_BOOL;
		v->b = unsafe_yyjson_get_bool(val);
		return PAYLOAD_OK;
	case YYJSON_TYPE_NULL:
		v->kind = VALUE_NULL;
		return PAYLOAD_OK;
	default:
		return big_number(val);
	}
}

static enum payload_rc
flatten(const struct json_source *s, struct view path, yyjson_val *container, uint32_t depth);

static enum payload_rc
member(const struct json_source *s, struct view name, yyjson_val *val, uint32_t depth) {
	struct value v;

	if (unsafe_yyjson_is_ctn(val))
		return depth == PAYLOAD_DEPTH_MAX ? PAYLOAD_TOO_DEEP
						  : flatten(s, name, val, depth + 1);
	enum payload_rc rc = scalar(s, val, &v);
	return rc == PAYLOAD_OK ? readings_field(s->f, name, (struct view) {0}, &v) : rc;
}

// Name of a member of an inner container: the path, a dot, its own name.
static enum payload_rc
join(const struct json_source *s, struct view path, struct view name, struct view *out) {
	if (path.p == nullptr) {
		*out = name;
		return PAYLOAD_OK;
	}
	return readings_join(s->f, path, name, out);
}

static enum payload_rc
flatten_object(const struct json_source *s, struct view path, yyjson_val *object, uint32_t depth) {
	yyjson_val *key;
	yyjson_val *val;
	size_t i;
	size_t n;

	yyjson_obj_foreach(object, i, n, key, val) {
		struct view name;
		enum payload_rc rc = string_view(s, key, &name);
		if (rc == PAYLOAD_OK)
			rc = join(s, path, name, &name);
		if (rc == PAYLOAD_OK)
			rc = member(s, name, val, depth);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return PAYLOAD_OK;
}

static enum payload_rc
flatten_array(const struct json_source *s, struct view path, yyjson_val *array, uint32_t depth) {
	yyjson_val *val;
	size_t i;
	size_t n;

	yyjson_arr_foreach(array, i, n, val) {
		struct view name;
		enum payload_rc rc = readings_join_index(s->f, path, (uint32_t)i, &name);
		if (rc == PAYLOAD_OK)
			rc = member(s, name, val, depth);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return PAYLOAD_OK;
}

static enum payload_rc
flatten(const struct json_source *s, struct view path, yyjson_val *container, uint32_t depth) {
	return unsafe_yyjson_is_obj(container) ? flatten_object(s, path, container, depth)
					       : flatten_array(s, path, container, depth);
}

static enum payload_rc object_reading(const struct json_source *s, yyjson_val *object) {
	if (!yyjson_is_obj(object))
		return PAYLOAD_BAD_TYPE;
	enum payload_rc rc = readings_open(s->f);
	if (rc == PAYLOAD_OK)
		rc = flatten_object(s, (struct view) {0}, object, 1);
	return rc == PAYLOAD_OK ? readings_close(s->f) : rc;
}

enum payload_rc
json_decode(struct payload_decoder *d, struct view payload, struct readings_filler *f) {
	struct json_source s = {.d = d, .payload = payload, .f = f};
	yyjson_doc *doc;
	yyjson_val *val;
	size_t i;
	size_t n;

	enum payload_rc rc = json_read(d, payload, &doc);
	if (rc != PAYLOAD_OK)
		return rc;
	yyjson_val *root = yyjson_doc_get_root(doc);
	if (!yyjson_is_arr(root))
		return object_reading(&s, root);
	if (unsafe_yyjson_get_len(root) == 0)
		return PAYLOAD_NO_FIELDS;
	yyjson_arr_foreach(root, i, n, val) {
		rc = object_reading(&s, val);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return PAYLOAD_OK;
}
