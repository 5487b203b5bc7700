// SPDX-License-Identifier: Apache-2.0
// SenML in JSON as devices write it, in one pass: records without escapes, data values or labels we
// do not know. tests/unit/parsers/test_plain.c holds it against the document's reader.
#include "parsers/json_plain.h"
#include "parsers/json_scan.h"
#include "parsers/senml.h"

static inline bool pair(struct json_cursor *c, struct senml_record *r) {
	struct view name;

	if (!json_name(c, &name))
		return false;
	enum senml_label label = senml_label_text(name);
	if (label == SENML_UNKNOWN || label == SENML_VD)
		return false;
	return json_plain_scalar(c, &r->values[label]) && senml_placed(r, label) == PAYLOAD_OK;
}

static bool record(struct json_cursor *out, struct senml_pack *p) {
	struct json_cursor c = *out; // in registers
	struct senml_record r;

	json_space(&c);
	if (!json_take(&c, '{'))
		return false;
	r.present = 0;
	do {
		json_space(&c);
		if (!pair(&c, &r))
			return false;
		json_space(&c);
	} while (json_take(&c, ','));
	if (!json_take(&c, '}'))
		return false;
	json_space(&c);
	*out = c;
	return senml_resolve(p, &r) == PAYLOAD_OK;
}

bool senml_json_plain(struct view payload, struct readings_filler *f) {
	struct json_cursor c = json_cursor(payload);
	struct senml_pack p;

	json_space(&c);
	if (!json_take(&c, '['))
		return false;
	senml_begin(&p, f);
	do {
		if (!record(&c, &p))
			return false;
	} while (json_take(&c, ','));
	if (!json_take(&c, ']'))
		return false;
	json_space(&c);
	return c.p == c.end && senml_end(&p) == PAYLOAD_OK;
}
