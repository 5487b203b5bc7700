// SPDX-License-Identifier: Apache-2.0
// The payload as it is: one field of bytes.
#include "parsers/readings.h"

enum payload_rc raw_decode(struct view payload, struct readings_filler *f) {
	struct value v = {.kind = VALUE_BYTES, .s = payload};
	enum payload_rc rc = readings_open(f);

	if (rc == PAYLOAD_OK)
		rc = readings_field(f, VIEW_LITERAL("raw"), (struct view) {0}, &v);
	if (rc == PAYLOAD_OK)
		rc = readings_close(f);
	return rc;
}
