// SPDX-License-Identifier: Apache-2.0
// What most telemetry looks like, in one pass over the payload: an object, or an array of objects,
// of strings in ASCII without escapes, numbers that are exact without big arithmetic, true, false
// and null. Whatever else comes, well or badly formed, is left to yyjson, which also says what is
// wrong with it. tests/unit/parsers/test_json_plain.c holds both against each other.
#include "parsers/json_plain.h"
#include "parsers/json_scan.h"

static inline bool member(struct json_cursor *c, struct readings_filler *f) {
	struct value *v = readings_slot(f);
	struct view name;

	if (!json_name(c, &name) || !json_plain_scalar(c, v)
	    || readings_field_here(f, name) != PAYLOAD_OK)
		return false;
	json_space(c);
	return true;
}

static bool object(struct json_cursor *c, struct readings_filler *f) {
	struct json_cursor at = *c; // in registers

	json_space(&at);
	if (!json_take(&at, '{') || readings_open(f) != PAYLOAD_OK)
		return false;
	do {
		json_space(&at);
		if (!member(&at, f))
			return false;
	} while (json_take(&at, ','));
	if (!json_take(&at, '}') || readings_close(f) != PAYLOAD_OK)
		return false;
	json_space(&at);
	*c = at;
	return true;
}

bool json_plain(struct view payload, struct readings_filler *f) {
	struct json_cursor c = json_cursor(payload);
	bool good;

	json_space(&c);
	if (!json_take(&c, '['))
		return object(&c, f) && c.p == c.end;
	do
		good = object(&c, f);
	while (good && json_take(&c, ','));
	if (!good || !json_take(&c, ']'))
		return false;
	json_space(&c);
	return c.p == c.end;
}
