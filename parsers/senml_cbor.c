// SPDX-License-Identifier: Apache-2.0
// The CBOR representation of SenML (RFC 8428, section 6).
#include "parsers/cbor_read.h"
#include "parsers/senml.h"

static enum payload_rc pair(struct cbor_source *s, struct senml_record *r) {
	enum senml_label label;
	struct cbor_head h;
	struct value key;
	struct value v;
	uint64_t tag;

	enum payload_rc rc = cbor_head(s, &h, &tag);
	if (rc == PAYLOAD_OK)
		rc = cbor_scalar(s, &h, tag, &key);
	if (rc != PAYLOAD_OK)
		return rc;
	if (key.kind == VALUE_I64)
		label = senml_label_number(key.i);
	else if (key.kind == VALUE_STRING)
		label = senml_label_text(key.s);
	else
		return PAYLOAD_BAD_TYPE;

	rc = cbor_head(s, &h, &tag);
	if (rc != PAYLOAD_OK)
		return rc;
	if (label == SENML_UNKNOWN) {
		if (key.kind == VALUE_STRING && senml_must_understand(key.s))
			return PAYLOAD_BAD_VERSION;
		return cbor_skip(s, &h);
	}
	rc = cbor_scalar(s, &h, tag, &v);
	return rc == PAYLOAD_OK ? senml_set(r, label, &v) : rc;
}

static enum payload_rc record(struct cbor_source *s, struct senml_pack *p) {
	struct senml_record r;
	struct cbor_head h;
	uint64_t tag;

	enum payload_rc rc = cbor_head(s, &h, &tag);
	if (rc != PAYLOAD_OK)
		return rc;
	if (h.major != CBOR_MAP)
		return PAYLOAD_BAD_TYPE;
	struct cbor_scope scope = cbor_enter(&h);
	r.present = 0;
	while (cbor_more(s, &scope)) {
		rc = pair(s, &r);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	return s->r.failed ? PAYLOAD_TRUNCATED : senml_resolve(p, &r);
}

enum payload_rc senml_cbor_decode(struct view payload, struct readings_filler *f) {
	struct cbor_source s = {.r = rd_from(payload), .f = f};
	struct senml_pack p;
	struct cbor_head h;
	uint64_t tag;

	enum payload_rc rc = cbor_head(&s, &h, &tag);
	if (rc != PAYLOAD_OK)
		return rc;
	if (h.major != CBOR_ARRAY)
		return PAYLOAD_BAD_TYPE;
	struct cbor_scope scope = cbor_enter(&h);
	senml_begin(&p, f);
	while (cbor_more(&s, &scope)) {
		rc = record(&s, &p);
		if (rc != PAYLOAD_OK)
			return rc;
	}
	if (s.r.failed)
		return PAYLOAD_TRUNCATED;
	return rd_left(&s.r) > 0 ? PAYLOAD_BAD_SYNTAX : senml_end(&p);
}
