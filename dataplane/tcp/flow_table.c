// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/flow_table.h"

static_assert(
	sizeof(struct flow_bucket) * 4.0 / (FLOW_BUCKET_SLOTS * 3)
		+ sizeof(struct flow_bucket) / 512.0
	<= FLOW_TABLE_BYTES_EACH
);

uint32_t flow_table_buckets(uint32_t flows) {
	uint64_t n = ((uint64_t)flows * 4 + FLOW_BUCKET_SLOTS * 3 - 1) / (FLOW_BUCKET_SLOTS * 3);

	return n < 4 ? 4 : (uint32_t)n;
}

uint32_t flow_table_overflow(uint32_t flows) {
	return flows / 512 + 4;
}

void flow_table_init(
	struct flow_table *t,
	struct flow_bucket *buckets,
	struct flow_bucket *overflow,
	uint32_t flows
) {
	*t = (struct flow_table) {
		.buckets = buckets,
		.overflow = overflow,
		.count = flow_table_buckets(flows),
		.overflow_count = flow_table_overflow(flows),
		.overflow_free = 1,
	};
	for (uint32_t i = 1; i < t->overflow_count; i++)
		overflow[i].next = i + 1;
	overflow[t->overflow_count].next = 0;
}

#define FLOW_ROOM_KEPT 3

static bool bucket_add(struct flow_bucket *b, uint16_t tag, uint32_t index) {
	uint32_t room = flow_bucket_match(b, 0);

	if (room == 0)
		return false;
	b->tag[__builtin_ctz(room)] = tag;
	b->index[__builtin_ctz(room)] = index;
	return true;
}

bool flow_table_insert(struct flow_table *t, uint64_t hash, uint32_t index) {
	uint16_t tag = flow_tag(hash);
	uint32_t first = flow_first_bucket(t, hash);
	struct flow_bucket *a = &t->buckets[first];
	struct flow_bucket *b = &t->buckets[flow_second_bucket(t, first, tag)];

	// In the first one, where a lookup needs one line, until it is nearly full; from then on in
	// the emptier of the two, which keeps both from filling: overflow stays rare at 75 % load.
	int room = __builtin_popcount(flow_bucket_match(a, 0));
	if (room < FLOW_ROOM_KEPT && __builtin_popcount(flow_bucket_match(b, 0)) > room)
		a = b;
	t->used++;
	if (bucket_add(a, tag, index))
		return true;
	a = &t->buckets[first];
	while (a->next != 0) {
		a = &t->overflow[a->next];
		if (bucket_add(a, tag, index))
			return true;
	}
	if (t->overflow_free == 0) {
		t->used--;
		return false;
	}
	a->next = t->overflow_free;
	a = &t->overflow[a->next];
	t->overflow_free = a->next;
	t->overflow_used++;
	*a = (struct flow_bucket) {0};
	return bucket_add(a, tag, index);
}

static bool bucket_remove(struct flow_bucket *b, uint16_t tag, uint32_t index) {
	for (uint32_t m = flow_bucket_match(b, tag); m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctz(m);
		if (b->index[i] != index)
			continue;
		b->tag[i] = 0;
		b->index[i] = 0;
		return true;
	}
	return false;
}

bool flow_table_remove(struct flow_table *t, uint64_t hash, uint32_t index) {
	uint16_t tag = flow_tag(hash);
	uint32_t first = flow_first_bucket(t, hash);
	struct flow_bucket *b = &t->buckets[first];

	if (bucket_remove(b, tag, index)
	    || bucket_remove(&t->buckets[flow_second_bucket(t, first, tag)], tag, index)) {
		t->used--;
		return true;
	}
	for (uint32_t *link = &b->next; *link != 0; link = &t->overflow[*link].next) {
		uint32_t o = *link;
		if (!bucket_remove(&t->overflow[o], tag, index))
			continue;
		t->used--;
		if (__builtin_popcount(flow_bucket_match(&t->overflow[o], 0))
		    == FLOW_BUCKET_SLOTS) {
			*link = t->overflow[o].next;
			t->overflow[o].next = t->overflow_free;
			t->overflow_free = o;
			t->overflow_used--;
		}
		return true;
	}
	return false;
}
