// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/pipelines/match_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct burst rig_burst;
struct profile rig_profile = {.name = "meter"};
struct match_order rig_last_order;
uint32_t rig_orders;

const char rig_actions[] = "signatures:\n" SIG("1", "t", "TTT", "tag")
	SIG("2", "q", "QQQ", "quarantine") SIG("3", "r", "RRR", "refuse")
		SIG("4", "d", "DDD", "disconnect") SIG("5", "b", "BBB", "ban, for: 90s");

uint32_t rig_random(uint32_t n) {
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state % n);
}

void rig_reset(void) {
	for (int f = 0; f < FINDING_COUNT; f++)
		rig_profile.on[f] = finding_default((enum finding)f);
	rig_profile.partial = false;
}

void rig_text_add(char *text, size_t size, const char *more) {
	size_t at = strlen(text);

	snprintf(text + at, size - at, "%s", more);
}

struct match_set *rig_compiled(const char *yaml, const char *cache) {
	const struct match_options o = {.workers = 2, .cache = cache};
	struct config_error errors[RIG_ERRORS];
	struct signature_set *set = NULL;
	struct match_set *m = NULL;
	uint32_t count;

	if (signatures_load_text("t.yaml", yaml, strlen(yaml), &set, errors, RIG_ERRORS, &count)
	    != 0)
		fail_msg("%s:%u: %s", errors[0].file, errors[0].line, errors[0].text);
	if (match_compile(set, &o, &m, errors, RIG_ERRORS, &count) != 0)
		fail_msg("%s:%u: %s", errors[0].file, errors[0].line, errors[0].text);
	return m;
}

struct item *rig_item(const char *path, const void *payload, uint32_t len) {
	struct item *it = &rig_burst.items[0];

	rig_burst.item_count = 1;
	rig_burst.record_count = 1;
	memset(it, 0, sizeof(*it));
	it->m.profile = &rig_profile;
	it->m.transport = TRANSPORT_MQTT;
	it->m.path = view_of(path, (uint32_t)strlen(path));
	it->m.payload = view_of(payload, len);
	it->m.proven = true;
	it->finding = FINDING_NONE;
	it->record_count = 1;
	memset(&rig_burst.records[0], 0, sizeof(rig_burst.records[0]));
	rig_burst.records[0].quarantine = FINDING_NONE;
	return it;
}

static void on_order(void *, const struct match_order *o) {
	rig_last_order = *o;
	rig_orders++;
}

const struct match_enforcer rig_enforcer = {.enforce = on_order};

struct item *rig_sent(struct match_set *m, const char *path, const char *payload) {
	struct item *it = rig_item(path, payload, (uint32_t)strlen(payload));

	rig_orders = 0;
	match_burst(&rig_burst, 0, 1, match_set_matcher(m, 0), &rig_enforcer);
	return it;
}

uint64_t rig_hits(const struct match_set *m) {
	uint64_t n = 0;

	for (uint32_t i = 0; i < match_set_source(m)->count; i++)
		n += match_set_total(m, i).hits;
	return n;
}
