// SPDX-License-Identifier: Apache-2.0
// CBOR (RFC 8949): a map is one reading, an array of maps is one reading each. Keys are text or
// integers; inner maps and arrays are flattened.
#include "parsers/cbor_plain.h"
#include "parsers/cbor_read.h"

// A key and the path before it. Integers as keys are common where bytes are few.
static struct view key(struct cbor_source *s, struct view path, enum payload_rc *rc) {
	struct cbor_head h;
	struct value v;
	uint64_t tag;

	*rc = cbor_head(s, &h, &tag);
	if (*rc == PAYLOAD_OK && h.major == CBOR_TEXT && path.p == nullptr)
		return cbor_text(s, &h, rc);
	if (*rc == PAYLOAD_OK)
		*rc = cbor_scalar(s, &h, tag, &v);
	if (*rc != PAYLOAD_OK)
		return (struct view) {0};
	if (v.kind == VALUE_STRING)
		return readings_join(s->f, path, v.s, rc);
	if (v.kind == VALUE_I64)
		return readings_join_i64(s->f, path, v.i, rc);
	*rc = PAYLOAD_BAD_TYPE;
	return (struct view) {0};
}

static enum payload_rc
flatten(struct cbor_source *s, struct view path, const struct cbor_head *h, uint32_t depth);

static enum payload_rc member(struct cbor_source *s, struct view name, uint32_t depth) {
	struct value *v = readings_slot(s->f);
	struct cbor_head h;
	uint64_t tag;

	enum payload_rc rc = cbor_head(s, &h, &tag);
	if (rc != PAYLOAD_OK)
		return rc;
	if (cbor_is_container(&h) && tag != CBOR_TAG_DECIMAL_FRACTION)
		return depth == PAYLOAD_DEPTH_MAX ? PAYLOAD_TOO_DEEP
						  : flatten(s, name, &h, depth + 1);
	rc = cbor_scalar(s, &h, tag, v);
	return rc == PAYLOAD_OK ? readings_field(s->f, name, (struct view) {0}, v) : rc;
}

static enum payload_rc
flatten(struct cbor_source *s, struct view path, const struct cbor_head *h, uint32_t depth) {
	struct cbor_scope scope = cbor_enter(h);

	for (int64_t i = 0; cbor_more(s, &scope); i++) {
		enum payload_rc rc = PAYLOAD_OK;
		struct view name = h->major == CBOR_MAP ? key(s, path, &rc)
							: readings_join_i64(s->f, path, i, &rc);
		if (rc == PAYLOAD_OK)
			rc = member(s, name, depth);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return cbor_rc(s);
}

static enum payload_rc map_reading(struct cbor_source *s, const struct cbor_head *h) {
	if (h->major != CBOR_MAP)
		return PAYLOAD_BAD_TYPE;
	enum payload_rc rc = readings_open(s->f);
	if (rc == PAYLOAD_OK)
		rc = flatten(s, (struct view) {0}, h, 1);
	return rc == PAYLOAD_OK ? readings_close(s->f) : rc;
}

static enum payload_rc array_readings(struct cbor_source *s, const struct cbor_head *h) {
	struct cbor_scope scope = cbor_enter(h);
	struct cbor_head in;
	uint64_t tag;

	while (cbor_more(s, &scope)) {
		enum payload_rc rc = cbor_head(s, &in, &tag);
		if (rc == PAYLOAD_OK)
			rc = map_reading(s, &in);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	if (s->r.failed)
		return PAYLOAD_TRUNCATED;
	return s->f->open != nullptr ? PAYLOAD_OK : PAYLOAD_NO_FIELDS;
}

enum payload_rc cbor_decode(struct view payload, struct readings_filler *f) {
	return readings_plain(cbor_plain, payload, f) ? PAYLOAD_OK
						      : cbor_document_decode(payload, f);
}

enum payload_rc cbor_document_decode(struct view payload, struct readings_filler *f) {
	struct cbor_source s = {.r = rd_from(payload), .f = f};
	struct cbor_head h;
	uint64_t tag;

	enum payload_rc rc = cbor_head(&s, &h, &tag);
	if (rc == PAYLOAD_OK)
		rc = h.major == CBOR_ARRAY ? array_readings(&s, &h) : map_reading(&s, &h);
	if (rc == PAYLOAD_OK && rd_left(&s.r) > 0)
		return PAYLOAD_BAD_SYNTAX;
	return rc;
}
