// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"
#include "pipelines/burst.h"

static enum refuse_reason refusal(enum finding f) {
	return f == FINDING_SIGNATURE ? REFUSE_SIGNATURE : REFUSE_VALIDATION;
}

bool record_find(struct item *it, struct record *rec, struct found what, const char *stage) {
	return record_find_as(it, rec, what, it->m.profile->on[what.finding], stage);
}

bool record_find_as(
	struct item *it,
	struct record *rec,
	struct found what,
	enum finding_action action,
	const char *stage
) {
	if (action == FINDING_IGNORE)
		return true;
	rec->findings |= 1u << what.finding;
	if (rec->found_count < RECORD_FINDINGS_MAX)
		rec->found[rec->found_count++] = what;
	if (action == FINDING_FLAG)
		return true;
	if (action == FINDING_QUARANTINE || it->m.profile->partial) {
		if (rec->quarantine == FINDING_NONE)
			rec->quarantine = what.finding;
		return true;
	}
	item_refuse(it, refusal(what.finding), PAYLOAD_OK, stage);
	it->finding = what.finding;
	return false;
}
