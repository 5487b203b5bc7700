// SPDX-License-Identifier: Apache-2.0
// JSON (RFC 8259): an object is one reading, an array of objects is one reading each.
#include "parsers/json_plain.h"
#include "parsers/json_read.h"

#include <yyjson.h>

static enum payload_rc
flatten(const struct json_source *s, struct view path, yyjson_val *container, uint32_t depth);

static enum payload_rc
member(const struct json_source *s, struct view name, yyjson_val *val, uint32_t depth) {
	struct value *v = readings_slot(s->f);

	if (unsafe_yyjson_is_ctn(val))
		return depth == PAYLOAD_DEPTH_MAX ? PAYLOAD_TOO_DEEP
						  : flatten(s, name, val, depth + 1);
	enum payload_rc rc = json_scalar(s, val, v);
	return rc == PAYLOAD_OK ? readings_field(s->f, name, (struct view) {0}, v) : rc;
}

static enum payload_rc
flatten_object(const struct json_source *s, struct view path, yyjson_val *object, uint32_t depth) {
	yyjson_val *key;
	yyjson_val *val;
	size_t i;
	size_t n;

	yyjson_obj_foreach(object, i, n, key, val) {
		enum payload_rc rc = PAYLOAD_OK;
		struct view name = json_string_view(s, key, &rc);
		if (path.p != nullptr)
			name = readings_join(s->f, path, name, &rc);
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
		enum payload_rc rc = PAYLOAD_OK;
		struct view name = readings_join_i64(s->f, path, (int64_t)i, &rc);
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
json_document_decode(struct payload_decoder *d, struct view payload, struct readings_filler *f) {
	struct json_source s = json_source(d, payload, f);
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

enum payload_rc
json_decode(struct payload_decoder *d, struct view payload, struct readings_filler *f) {
	return readings_plain(json_plain, payload, f) ? PAYLOAD_OK
						      : json_document_decode(d, payload, f);
}
