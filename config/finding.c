// SPDX-License-Identifier: Apache-2.0
#include "config/finding.h"

static const struct {
	const char *label;
	enum finding_class class;
	enum finding_action action;
} findings[FINDING_COUNT] = {
#define X(id, label, class, action) [id] = {label, FINDING_##class, FINDING_##action},
	FINDINGS(X)
#undef X
};

const char *finding_label(enum finding f) {
	return f < FINDING_COUNT ? findings[f].label : "";
}

const char *finding_class_label(enum finding_class c) {
	static const char *const labels[FINDING_CLASS_COUNT] = {
		[FINDING_MALFUNCTION] = "malfunction",
		[FINDING_ANOMALY] = "anomaly",
		[FINDING_NOTE] = "note",
		[FINDING_ATTACK] = "attack",
	};
	return c < FINDING_CLASS_COUNT ? labels[c] : "";
}

enum finding_class finding_class_of(enum finding f) {
	return findings[f].class;
}

enum finding_action finding_default(enum finding f) {
	return findings[f].action;
}
