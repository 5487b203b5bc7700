// SPDX-License-Identifier: Apache-2.0
// What a worker pays for `flow list`: cycles of flow_desk_turn() per turn with N flows in its book,
// without a query, with one that fits nothing (every flow is looked at), and with one that lists.
// bench_flow_list [FLOWS]
#include "dataplane/flow_desk.h"

#include <rte_cycles.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t secret[2] = {5, 6};
static const struct flow_desk_line nobody;

static void fill(struct flow_book *b, uint32_t flows) {
	char name[32];

	for (uint32_t i = 0; i < flows; i++) {
		struct flow_id id = {.peer = {.family = 4}};
		memcpy(id.peer.bytes, &i, sizeof(i));
		int n = snprintf(name, sizeof(name), "device-%08u", i);
		id.device = (struct view) {(const uint8_t *)name, (uint32_t)n};
		flow_book_id(b, &id);
		struct flow_entry *e = flow_book_entry(b, flow_book_hash(b, &id), &id);
		e->records = 1;
		e->seen_ns = 1 + i;
	}
}

static void
report(const char *what, uint64_t cycles, uint64_t turns, uint64_t most, uint64_t hits) {
	printf("{\"case\": \"%s\", \"turns\": %" PRIu64 ", \"cycles_per_turn\": %" PRIu64
	       ", \"most\": %" PRIu64 ", \"flows\": %" PRIu64 "}\n",
	       what,
	       turns,
	       cycles / turns,
	       most,
	       hits);
}

// Answers are taken between the turns, as the main thread does meanwhile.
static void query(struct flow_desk *d, const char *what, const char *device, uint32_t limit) {
	struct flow_desk_query q = {.filter = {.limit = limit}};
	static struct channel_flow out[FLOW_DESK_RING];
	uint64_t cycles = 0, turns = 0, most = 0, hits = 0, listed = 0;
	bool done = false;

	q.filter.device_len = (uint8_t)strlen(device);
	memcpy(q.filter.device, device, q.filter.device_len);
	flow_desk_ask(d, &q);
	while (!done) {
		uint64_t from = rte_rdtsc();
		(void)flow_desk_turn(d, &nobody, 0);
		uint64_t took = rte_rdtsc() - from;
		cycles += took;
		most = took > most ? took : most;
		turns++;
		listed += flow_desk_take(d, out, FLOW_DESK_RING, &done, &hits);
	}
	report(what, cycles, turns, most, listed);
}

int main(int argc, char **argv) {
	uint32_t flows = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000;
	struct gate *g = aligned_alloc(64, sizeof(*g));
	struct flow_desk *d = NULL;

	if (g == NULL)
		return 1;
	memset(g, 0, sizeof(*g));
	if (device_table_create(1024, secret, &g->table) != 0
	    || flow_book_create(flows, secret, &g->book) != 0 || flow_desk_create(g, 0, &d) != 0)
		return 1;
	fill(g->book, flows);
	uint64_t from = rte_rdtsc(), most = 0;
	for (unsigned i = 0; i < 1000000; i++)
		most += flow_desk_wanted(d);
	report("no query", rte_rdtsc() - from, 1000000, most, 0);
	query(d, "fits nothing", "nobody", 1000);
	query(d, "lists 10000", "", 10000);
	query(d, "lists all", "", UINT32_MAX);
	flow_desk_destroy(d);
	flow_book_destroy(g->book);
	device_table_destroy(g->table);
	free(g);
	return 0;
}
