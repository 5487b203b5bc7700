// SPDX-License-Identifier: Apache-2.0
// CBOR (RFC 8949): a map is one reading, an array of maps is one reading each. Keys are text or
// integers; inner maps and arrays are flattened.
#include "parsers/cbor_read.h"

static enum payload_rc
flatten(struct cbor_source *s, struct view path, CborValue *container, uint32_t depth);

static enum payload_rc
member(struct cbor_source *s, struct view name, CborValue *it, uint32_t depth) {
	struct value v;
	uint64_t tag;

	if (cbor_value_is_container(it))
		return depth == PAYLOAD_DEPTH_MAX ? PAYLOAD_TOO_DEEP
						  : flatten(s, name, it, depth + 1);
	CborValue before = *it;
	enum payload_rc rc = cbor_scalar(s, it, &v);
	if (rc == PAYLOAD_OK)
		return readings_field(s->f, name, (struct view) {0}, &v);
	if (rc != PAYLOAD_BAD_TYPE)
		return rc;
	// A tagged container: the tag says nothing that we use.
	*it = before;
	rc = cbor_tags(it, &tag);
	if (rc != PAYLOAD_OK)
		return rc;
	return cbor_value_is_container(it) ? member(s, name, it, depth) : PAYLOAD_BAD_TYPE;
}

// A key and the path before it. Integers as keys are common where bytes are few.
static enum payload_rc
key(struct cbor_source *s, struct view path, CborValue *it, struct view *name) {
	struct value v;

	enum payload_rc rc = cbor_scalar(s, it, &v);
	if (rc != PAYLOAD_OK)
		return rc;
	if (v.kind == VALUE_STRING) {
		*name = v.s;
		return path.p != nullptr ? readings_join(s->f, path, v.s, name) : PAYLOAD_OK;
	}
	if (v.kind != VALUE_I64)
		return PAYLOAD_BAD_TYPE;
	return readings_join_i64(s->f, path, v.i, name);
}

static enum payload_rc
flatten(struct cbor_source *s, struct view path, CborValue *container, uint32_t depth) {
	bool is_map = cbor_value_get_type(container) == CborMapType;
	CborValue it;

	enum payload_rc rc = cbor_rc(cbor_value_enter_container(container, &it));
	for (int64_t i = 0; rc == PAYLOAD_OK && !cbor_value_at_end(&it); i++) {
		struct view name;
		rc = is_map ? key(s, path, &it, &name) : readings_join_i64(s->f, path, i, &name);
		if (rc == PAYLOAD_OK && cbor_value_at_end(&it))
			return PAYLOAD_BAD_SYNTAX; // a key without a value
		if (rc == PAYLOAD_OK)
			rc = member(s, name, &it, depth);
	}
	return rc == PAYLOAD_OK ? cbor_rc(cbor_value_leave_container(container, &it)) : rc;
}

static enum payload_rc map_reading(struct cbor_source *s, CborValue *it) {
	uint64_t tag;

	enum payload_rc rc = cbor_tags(it, &tag);
	if (rc != PAYLOAD_OK)
		return rc;
	if (cbor_value_get_type(it) != CborMapType)
		return PAYLOAD_BAD_TYPE;
	rc = readings_open(s->f);
	if (rc == PAYLOAD_OK)
		rc = flatten(s, (struct view) {0}, it, 1);
	return rc == PAYLOAD_OK ? readings_close(s->f) : rc;
}

enum payload_rc cbor_decode(struct view payload, struct readings_filler *f) {
	struct cbor_source s = {.payload = payload, .f = f};
	CborValue root;
	CborValue it;
	uint64_t tag;

	enum payload_rc rc = cbor_begin(&s, &root);
	if (rc == PAYLOAD_OK)
		rc = cbor_tags(&root, &tag);
	if (rc != PAYLOAD_OK)
		return rc;
	if (cbor_value_get_type(&root) != CborArrayType) {
		rc = map_reading(&s, &root);
		return rc == PAYLOAD_OK ? cbor_end(&s, &root) : rc;
	}
	rc = cbor_rc(cbor_value_enter_container(&root, &it));
	if (rc == PAYLOAD_OK && cbor_value_at_end(&it))
		return PAYLOAD_NO_FIELDS;
	while (rc == PAYLOAD_OK && !cbor_value_at_end(&it))
		rc = map_reading(&s, &it);
	if (rc == PAYLOAD_OK)
		rc = cbor_rc(cbor_value_leave_container(&root, &it));
	return rc == PAYLOAD_OK ? cbor_end(&s, &root) : rc;
}
