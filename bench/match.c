// SPDX-License-Identifier: Apache-2.0
// Cycles per record of the match stage with 10 to 10,000 signatures: the shipped ones, filled up
// with made ones (a literal, a class, a literal). One message is one record, path of
// 18 bytes, payloads of bench/payloads.c, bursts of 32, nothing hits. Argument: directory
// of the shipped ones.
#include "bench/cycles.h"
#include "bench/payloads.h"
#include "config/config.h"
#include "pipelines/match.h"
#include "pipelines/match_compile.h"

#include <string.h>

#define BURST 32
#define REPEAT 32
#define PATH "t/meter-0042/power"

static struct burst burst;
static struct profile profile = {.name = "bench"};
static struct matcher *matcher;
static const struct match_enforcer nobody;

// "- {...}" lines of one signature whose literals nothing in the payloads has.
static void made(FILE *f, uint32_t id, const char *scope) {
	uint64_t x = id * 0x9e3779b97f4a7c15u;
	char word[13];

	for (int i = 0; i < 12; i++, x = x * 6364136223846793005u + 1442695040888963407u)
		word[i] = (char)('a' + (x >> 33) % 26);
	word[12] = '\0';
	fprintf(f,
		"  - {id: %u, name: made, expression: '%.6s[0-9_]+%s', flags: caseless, scope: %s, "
		"severity: low, action: tag, match: x}\n",
		id,
		word,
		word + 6,
		scope);
}

static struct match_set *compiled(const char *shipped, uint32_t n, const char *scope) {
	const struct match_options o = {.workers = 1};
	struct config_error errors[4];
	struct signature_set *set = NULL;
	struct match_set *m = NULL;
	char *bundle = NULL, *text = NULL;
	size_t size = 0;
	uint32_t count = 0, have = 0;

	if (signatures_load(shipped, &set, errors, 4, &count) != 0)
		return NULL;
	if (set->count <= n) {
		have = set->count;
		signatures_bundle(shipped, &bundle, &size);
	}
	signatures_free(set);
	FILE *f = open_memstream(&text, &size);
	if (bundle != NULL)
		fputs(bundle, f);
	fputs("--- # file: made.yaml\nsignatures:\n", f);
	for (uint32_t i = have; i < n; i++)
		made(f, 100000 + i, scope);
	if (have == n)
		made(f, 100000, scope);
	fclose(f);
	set = NULL;
	if (signatures_load_text("made", text, size, &set, errors, 4, &count) != 0
	    || match_compile(set, &o, &m, errors, 4, &count) != 0)
		fprintf(stderr, "%s:%u: %s\n", errors[0].file, errors[0].line, errors[0].text);
	free(bundle);
	free(text);
	return m;
}

static void fill(const struct bench_payload *p) {
	burst.item_count = BURST;
	for (int i = 0; i < BURST; i++) {
		struct item *it = &burst.items[i];
		memset(it, 0, sizeof(*it));
		it->m.profile = &profile;
		it->m.transport = TRANSPORT_MQTT;
		it->m.path = VIEW_LITERAL(PATH);
		it->m.payload = p->bytes;
		it->first_record = (uint16_t)i;
		it->record_count = 1;
	}
}

static void run(void *) {
	for (int i = 0; i < REPEAT; i++)
		match_burst(&burst, 0, BURST, matcher, &nobody);
}

static void measure(const struct match_set *m, uint32_t n, const char *scope) {
	const struct match_info *info = match_set_info(m);

	for (uint32_t i = 0; i < bench_payload_count; i++) {
		fill(&bench_payloads[i]);
		printf("{\"what\":\"match\",\"signatures\":%u,\"scope\":\"%s\",\"input\":\"%s\","
		       "\"bytes\":%u,\"cycles\":%.0f}\n",
		       n,
		       scope,
		       bench_payloads[i].name,
		       bench_payloads[i].bytes.len,
		       cycles_per_operation(run, NULL, REPEAT * BURST));
	}
	printf("{\"what\":\"compile\",\"signatures\":%u,\"scope\":\"%s\",\"ms\":%u,"
	       "\"database_bytes\":%llu,\"scratch_bytes\":%llu}\n",
	       n,
	       scope,
	       info->compile_ms,
	       (unsigned long long)info->database_bytes,
	       (unsigned long long)info->scratch_bytes);
	fflush(stdout);
}

int main(int argc, char **argv) {
	static const uint32_t standard[] = {10, 100, 1000, 10000};
	const char *shipped = argc > 1 ? argv[1] : "config/signatures";

	for (int f = 0; f < FINDING_COUNT; f++)
		profile.on[f] = finding_default((enum finding)f);
	for (size_t i = 0; i < sizeof(standard) / sizeof(standard[0]); i++) {
		// "both": as if one database served both places.
		for (int both = 0; both < 2; both++) {
			const char *scope = both != 0 ? "both" : "payload";
			struct match_set *m = compiled(shipped, standard[i], scope);
			if (m == NULL)
				return 1;
			matcher = match_set_matcher(m, 0);
			measure(m, standard[i], scope);
			match_set_free(m);
		}
	}
	return 0;
}
