// SPDX-License-Identifier: Apache-2.0
// The match stage on any path and payload: an item ends only by its own rules, names few
// signatures, and orders are given for proven senders only. The first byte chooses transport and
// proof, the second the length of the path.
#include "config/config.h"
#include "pipelines/match.h"
#include "pipelines/match_compile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char rules[] = "signatures:\n"
			    "  - {id: 1, name: a, expression: 'a[bc]+d', scope: both, severity: "
			    "low, action: tag, match: x}\n"
			    "  - {id: 2, name: b, expression: '\\.\\./', scope: path, severity: "
			    "low, action: refuse, match: x}\n"
			    "  - {id: 3, name: c, expression: '\\x00.\\xff', severity: low, "
			    "action: disconnect, flags: dotall, match: x}\n"
			    "  - {id: 4, name: d, expression: '\\$\\{.*:', severity: low, action: "
			    "ban, for: 1m, match: x}\n"
			    "  - {id: 5, name: e, expression: '[^a-z]{8}', severity: low, action: "
			    "quarantine, protocols: [udp, mqtt], match: x}\n";

static uint32_t orders;

static void on_order(void *, const struct match_order *o) {
	assert(o->message->proven && o->name.len == 1);
	orders++;
}

static struct match_set *compiled(void) {
	const struct match_options o = {.workers = 1};
	struct config_error errors[1];
	struct signature_set *set = NULL;
	struct match_set *m = NULL;
	uint32_t count;

	if (signatures_load_text("f", rules, sizeof(rules) - 1, &set, errors, 1, &count) != 0
	    || match_compile(set, &o, &m, errors, 1, &count) != 0)
		abort();
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
	static struct match_set *m;
	static struct profile profile = {.name = "p"};
	static struct burst b;
	const struct match_enforcer e = {.enforce = on_order};

	if (m == NULL)
		m = compiled();
	if (size < 2)
		return 0;
	for (int f = 0; f < FINDING_COUNT; f++)
		profile.on[f] = finding_default((enum finding)f);
	struct item *it = &b.items[0];
	uint32_t path = bytes[1] < size - 2 ? bytes[1] : (uint32_t)size - 2;
	memset(it, 0, sizeof(*it));
	it->m.profile = &profile;
	it->m.transport = (enum transport)(bytes[0] % TRANSPORT_COUNT);
	it->m.proven = (bytes[0] & 0x80) != 0;
	it->m.path = view_of(bytes + 2, path);
	it->m.payload = view_of(bytes + 2 + path, (uint32_t)size - 2 - path);
	it->finding = FINDING_NONE;
	it->record_count = 1;
	memset(&b.records[0], 0, sizeof(b.records[0]));
	b.records[0].quarantine = FINDING_NONE;
	orders = 0;
	match_burst(&b, 0, 1, match_set_matcher(m, 0), &e);
	assert(b.records[0].found_count <= MATCH_KEPT);
	assert(it->disconnect == (orders == 1));
	assert(it->state == ITEM_GOING || it->refuse == REFUSE_SIGNATURE);
	return 0;
}
