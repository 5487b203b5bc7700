// SPDX-License-Identifier: Apache-2.0
// The JSON representation of SenML (RFC 8428, section 5).
#include "parsers/json_plain.h"
#include "parsers/json_read.h"
#include "parsers/senml.h"

#include <yyjson.h>

static int base64url(uint8_t c) {
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

// Data values are base64url without padding (section 4.3).
static enum payload_rc data_value(struct readings_filler *f, struct value *v) {
	struct view in = v->s;

	if (v->kind != VALUE_STRING)
		return PAYLOAD_BAD_TYPE;
	while (in.len > 0 && in.p[in.len - 1] == '=')
		in.len--;
	if (in.len % 4 == 1)
		return PAYLOAD_BAD_SYNTAX;
	uint8_t *out = readings_text(f, in.len / 4 * 3 + in.len % 4);
	uint32_t bits = 0;
	uint32_t n = 0;
	if (out == nullptr)
		return PAYLOAD_TOO_LARGE;
	for (uint32_t i = 0; i < in.len; i++) {
		int six = base64url(in.p[i]);
		if (six < 0)
			return PAYLOAD_BAD_SYNTAX;
		bits = bits << 6 | (uint32_t)six;
		if (i % 4 != 0)
			out[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	v->kind = VALUE_BYTES;
	v->s = view_of(out, n);
	return PAYLOAD_OK;
}

static enum payload_rc
pair(const struct json_source *s, struct senml_record *r, yyjson_val *key, yyjson_val *val) {
	enum payload_rc rc = PAYLOAD_OK;
	struct view text = json_string_view(s, key, &rc);
	struct value v;

	if (rc != PAYLOAD_OK)
		return rc;
	enum senml_label label = senml_label_text(text);
	if (label == SENML_UNKNOWN)
		return senml_must_understand(text) ? PAYLOAD_BAD_VERSION : PAYLOAD_OK;
	rc = json_scalar(s, val, &v);
	if (rc == PAYLOAD_OK && label == SENML_VD)
		rc = data_value(s->f, &v);
	return rc == PAYLOAD_OK ? senml_set(r, label, &v) : rc;
}

static enum payload_rc
record(const struct json_source *s, struct senml_pack *p, yyjson_val *object) {
	struct senml_record r;
	yyjson_val *key;
	yyjson_val *val;
	size_t i;
	size_t n;

	if (!yyjson_is_obj(object))
		return PAYLOAD_BAD_TYPE;
	r.present = 0;
	yyjson_obj_foreach(object, i, n, key, val) {
		enum payload_rc rc = pair(s, &r, key, val);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return senml_resolve(p, &r);
}

enum payload_rc
senml_json_decode(struct payload_decoder *d, struct view payload, struct readings_filler *f) {
	return readings_plain(senml_json_plain, payload, f)
		? PAYLOAD_OK
		: senml_json_document_decode(d, payload, f);
}

enum payload_rc senml_json_document_decode(
	struct payload_decoder *d,
	struct view payload,
	struct readings_filler *f
) {
	struct json_source s = json_source(d, payload, f);
	struct senml_pack p;
	yyjson_doc *doc;
	yyjson_val *val;
	size_t i;
	size_t n;

	enum payload_rc rc = json_read(d, payload, &doc);
	if (rc != PAYLOAD_OK)
		return rc;
	yyjson_val *root = yyjson_doc_get_root(doc);
	if (!yyjson_is_arr(root))
		return PAYLOAD_BAD_TYPE;
	senml_begin(&p, f);
	yyjson_arr_foreach(root, i, n, val) {
		rc = record(&s, &p, val);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return senml_end(&p);
}
