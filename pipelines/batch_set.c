// SPDX-License-Identifier: Apache-2.0
#include "pipelines/batch_set.h"

#include <assert.h>
#include <string.h>

static uint16_t *packed_place(struct batch_set *s, uint16_t topic, int32_t partition) {
	uint32_t h = topic * 0x9e3779b1u + (uint32_t)partition;

	return &s->packed[h % BATCH_PACKED_PLACES];
}

static bool fits(const struct batch *b, const struct batch_target *to) {
	return b->topic == to->topic && b->packing == to->packing && b->egress == to->egress
		&& b->partition == to->partition && b->pack_max == to->pack_max;
}

// A place may name a batch that is no longer open or of another partition: then all open ones are
// looked at, which are at most as many as there are batches.
static uint16_t packed_find(struct batch_set *s, const struct batch_target *to) {
	uint16_t *place = packed_place(s, to->topic, to->partition);

	if (*place == BATCH_NONE)
		return BATCH_NONE;
	for (uint16_t i = 0; i < s->opened_count; i++) {
		if (s->opened[i] != *place)
			continue;
		if (fits(&s->batches[*place], to))
			return *place;
		break;
	}
	for (uint16_t i = 0; i < s->opened_count; i++)
		if (fits(&s->batches[s->opened[i]], to))
			return *place = s->opened[i];
	return BATCH_NONE;
}

static void close_open(struct batch_set *s, const struct batch *b) {
	if (b->packing == PACK_NONE)
		s->open[b->egress][b->topic] = BATCH_NONE;
	for (uint16_t i = 0; i < s->opened_count; i++) {
		if (s->opened[i] != b->index)
			continue;
		// Batches are sealed in the order in which they were opened.
		memmove(s->opened + i,
			s->opened + i + 1,
			(size_t)(s->opened_count - i - 1) * sizeof(*s->opened));
		s->opened_count--;
		return;
	}
}

static struct batch *open_one(struct batch_set *s, const struct batch_target *to, uint64_t now_ns) {
	if (s->free_count == 0)
		return nullptr;
	struct batch *b = &s->batches[s->free[--s->free_count]];

	b->egress = to->egress;
	b->topic = to->topic;
	b->packing = to->packing;
	b->pack_max = to->pack_max;
	b->partition = to->partition;
	b->count = 0;
	b->used = 0;
	b->outstanding = 0;
	b->opened_ns = now_ns;
	if (to->packing == PACK_NONE)
		s->open[to->egress][to->topic] = b->index;
	else
		*packed_place(s, to->topic, to->partition) = b->index;
	s->opened[s->opened_count++] = b->index;
	if (now_ns + s->linger_ns < s->next_due_ns)
		s->next_due_ns = now_ns + s->linger_ns;
	return b;
}

struct batch *batch_set_room(
	struct batch_set *s,
	const struct batch_target *to,
	uint32_t bytes,
	uint64_t now_ns
) {
	uint16_t index =
		to->packing == PACK_NONE ? s->open[to->egress][to->topic] : packed_find(s, to);

	if (index != BATCH_NONE) {
		struct batch *b = &s->batches[index];
		if (b->count < s->entries_max && bytes <= b->capacity - b->used)
			return b;
		if (b->count == 0)
			return nullptr; // not even an empty one is large enough
		if (s->free_count == 0)
			return nullptr;
		close_open(s, b);
		s->full[s->full_count++] = index;
	}
	struct batch *b = open_one(s, to, now_ns);
	return b != nullptr && bytes <= b->capacity ? b : nullptr;
}

void batch_set_added(struct batch_set *s, struct batch *b, uint32_t bytes) {
	assert(s->mark_count < s->marks_max && bytes <= b->capacity - b->used);
	s->marks[s->mark_count++] = (struct batch_mark) {b->index, b->count, b->used};
	b->count++;
	b->used += bytes;
}

static void seal(struct batch_set *s, struct batch *b) {
	b->outstanding = b->count;
	s->out_count++;
	s->sealed(s->owner, b);
}

void batch_set_commit(struct batch_set *s) {
	for (uint16_t i = 0; i < s->full_count; i++)
		seal(s, &s->batches[s->full[i]]);
	s->full_count = 0;
	s->mark_count = 0;
}

static void free_if_empty(struct batch_set *s, struct batch *b) {
	if (b->count > 0)
		return;
	close_open(s, b);
	s->free[s->free_count++] = b->index;
}

void batch_set_rollback(struct batch_set *s) {
	while (s->mark_count > 0) {
		const struct batch_mark *m = &s->marks[--s->mark_count];
		s->batches[m->batch].count = m->count;
		s->batches[m->batch].used = m->used;
	}
	// A batch that this message filled and found empty is still needed by nobody else.
	uint16_t kept = 0;
	for (uint16_t i = 0; i < s->full_count; i++) {
		struct batch *b = &s->batches[s->full[i]];
		if (b->count > 0)
			s->full[kept++] = b->index;
		else
			s->free[s->free_count++] = b->index;
	}
	s->full_count = kept;
	for (uint16_t i = s->opened_count; i-- > 0;)
		free_if_empty(s, &s->batches[s->opened[i]]);
	batch_set_commit(s);
}

uint64_t batch_set_seal_due(struct batch_set *s, uint64_t now_ns) {
	bool slow = s->out_count > s->count / 2;

	if (now_ns < s->next_due_ns)
		return s->next_due_ns;
	if (slow && s->opened_count > 0) {
		s->next_due_ns = now_ns + s->linger_ns;
		return s->next_due_ns;
	}
	s->next_due_ns = UINT64_MAX;
	for (uint16_t i = 0; i < s->opened_count;) {
		struct batch *b = &s->batches[s->opened[i]];
		uint64_t due = b->opened_ns + s->linger_ns;
		if (now_ns < due) {
			if (due < s->next_due_ns)
				s->next_due_ns = due;
			i++;
			continue;
		}
		close_open(s, b); // moves the next one to place i
		seal(s, b);
	}
	return s->next_due_ns;
}

void batch_set_seal_all(struct batch_set *s) {
	while (s->opened_count > 0) {
		struct batch *b = &s->batches[s->opened[0]];
		close_open(s, b);
		seal(s, b);
	}
	s->next_due_ns = UINT64_MAX;
}

void batch_set_seal_unless_busy(struct batch_set *s) {
	if (s->out_count > 0)
		return;
	for (uint16_t i = 0; i < s->opened_count;) {
		struct batch *b = &s->batches[s->opened[i]];
		if (b->packing != PACK_NONE) {
			i++;
			continue;
		}
		close_open(s, b); // moves the next one to place i
		seal(s, b);
	}
}

void batch_set_give(struct batch_set *s, struct batch *b) {
	assert(b->outstanding == 0 && s->out_count > 0);
	s->out_count--;
	s->free[s->free_count++] = b->index;
}
