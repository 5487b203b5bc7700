// SPDX-License-Identifier: Apache-2.0
// The CBOR representation of SenML (RFC 8428, section 6).
#include "parsers/cbor_read.h"
#include "parsers/senml.h"

static enum payload_rc pair(struct cbor_source *s, struct senml_record *r, CborValue *it) {
	struct value key;
	struct value v;

	enum payload_rc rc = cbor_scalar(s, it, &key);
	if (rc != PAYLOAD_OK)
		return rc;
	if (cbor_value_at_end(it))
		return PAYLOAD_BAD_SYNTAX;
	enum senml_label label = SENML_UNKNOWN;
	if (key.kind == VALUE_I64)
		label = senml_label_number(key.i);
	else if (key.kind == VALUE_STRING)
		label = senml_label_text(key.s);
	else
		return PAYLOAD_BAD_TYPE;
	if (label == SENML_UNKNOWN) {
		if (key.kind == VALUE_STRING && senml_must_understand(key.s))
			return PAYLOAD_BAD_VERSION;
		return cbor_rc(cbor_value_advance(it));
	}
	rc = cbor_scalar(s, it, &v);
	return rc == PAYLOAD_OK ? senml_set(r, label, &v) : rc;
}

static enum payload_rc record(struct cbor_source *s, struct senml_pack *p, CborValue *map) {
	struct senml_record r;
	CborValue it;

	if (cbor_value_get_type(map) != CborMapType)
		return PAYLOAD_BAD_TYPE;
	r.present = 0;
	enum payload_rc rc = cbor_rc(cbor_value_enter_container(map, &it));
	while (rc == PAYLOAD_OK && !cbor_value_at_end(&it))
		rc = pair(s, &r, &it);
	if (rc == PAYLOAD_OK)
		rc = cbor_rc(cbor_value_leave_container(map, &it));
	return rc == PAYLOAD_OK ? senml_resolve(p, &r) : rc;
}

enum payload_rc senml_cbor_decode(struct view payload, struct readings_filler *f) {
	struct cbor_source s = {.payload = payload, .f = f};
	struct senml_pack p;
	CborValue root;
	CborValue it;
	uint64_t tag;

	enum payload_rc rc = cbor_begin(&s, &root);
	if (rc == PAYLOAD_OK)
		rc = cbor_tags(&root, &tag);
	if (rc != PAYLOAD_OK)
		return rc;
	if (cbor_value_get_type(&root) != CborArrayType)
		return PAYLOAD_BAD_TYPE;
	senml_begin(&p, f);
	rc = cbor_rc(cbor_value_enter_container(&root, &it));
	while (rc == PAYLOAD_OK && !cbor_value_at_end(&it))
		rc = record(&s, &p, &it);
	if (rc == PAYLOAD_OK)
		rc = cbor_rc(cbor_value_leave_container(&root, &it));
	if (rc == PAYLOAD_OK)
		rc = cbor_end(&s, &root);
	return rc == PAYLOAD_OK ? senml_end(&p) : rc;
}
