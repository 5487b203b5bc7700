// SPDX-License-Identifier: Apache-2.0
#include "pipelines/findings_json.h"
#include "pipelines/json_writer.h"

#include <string.h>

// Keys, labels, punctuation and the number of one finding.
#define FINDING_BYTES 128

static struct view label_view(const char *s) {
	return view_of(s, (uint32_t)strlen(s));
}

uint32_t findings_json_bound(const struct record *rec) {
	uint32_t n = rec->found_count > 0 ? 16 : 0;

	for (uint8_t i = 0; i < rec->found_count; i++)
		n += FINDING_BYTES + json_string_bound(rec->found[i].field.len);
	return n;
}

static uint8_t *one(uint8_t *p, const struct found *f) {
	p = JSON_LITERAL(p, "{\"finding\":");
	p = json_string(p, label_view(finding_label(f->finding)));
	p = JSON_LITERAL(p, ",\"class\":");
	p = json_string(p, label_view(finding_class_label(finding_class_of(f->finding))));
	if (f->field.len > 0) {
		p = f->finding == FINDING_SIGNATURE ? JSON_LITERAL(p, ",\"name\":")
						    : JSON_LITERAL(p, ",\"field\":");
		p = json_string(p, f->field);
	}
	if (f->detail != 0) {
		p = JSON_LITERAL(p, ",\"detail\":");
		p = json_u64(p, f->detail);
	}
	*p++ = '}';
	return p;
}

uint8_t *findings_json(uint8_t *p, const struct record *rec) {
	if (rec->found_count == 0)
		return p;
	p = JSON_LITERAL(p, ",\"findings\":[");
	for (uint8_t i = 0; i < rec->found_count; i++) {
		p = one(p, &rec->found[i]);
		*p++ = ',';
	}
	p[-1] = ']';
	return p;
}
