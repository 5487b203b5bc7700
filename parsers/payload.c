// SPDX-License-Identifier: Apache-2.0
#include "parsers/payload.h"

const char *payload_rc_label(enum payload_rc rc) {
	static const char *const labels[PAYLOAD_RC_COUNT] = {
#define X(id, label) [id] = label,
		PAYLOAD_RCS(X)
#undef X
	};
	return rc < PAYLOAD_RC_COUNT ? labels[rc] : "?";
}

const char *payload_format_label(enum payload_format format) {
	static const char *const labels[PAYLOAD_FORMAT_COUNT] = {
#define X(id, label) [id] = label,
		PAYLOAD_FORMATS(X)
#undef X
	};
	return format < PAYLOAD_FORMAT_COUNT ? labels[format] : "?";
}
