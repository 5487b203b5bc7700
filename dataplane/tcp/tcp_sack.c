// SPDX-License-Identifier: Apache-2.0
// What the peer says it holds beyond snd_una (RFC 2018), used only to leave it out when resending.
#include "dataplane/tcp/tcp_types.h"

#include <string.h>

static struct sack_board *board_of(const struct tcp *t, const struct tcb *c) {
	return c->sack != 0 ? slab_at(&t->slab, c->sack) : nullptr;
}

static_assert(sizeof(struct sack_board) <= 64);

void sack_drop(struct tcp *t, struct tcb *c) {
	if (c->sack != 0)
		slab_free(&t->slab, c->sack);
	c->sack = 0;
}

static void run_remove(struct sack_board *b, uint32_t i) {
	b->count--;
	memmove(&b->run[i], &b->run[i + 1], (b->count - i) * sizeof(b->run[0]));
}

// Joins with the runs it touches. A run too many is forgotten: it is resent in vain, no more.
static void run_add(struct sack_board *b, uint32_t start, uint32_t end) {
	uint32_t i = 0;

	while (i < b->count && seq_lt(b->run[i].end, start))
		i++;
	while (i < b->count && seq_le(b->run[i].start, end)) {
		start = seq_lt(b->run[i].start, start) ? b->run[i].start : start;
		end = seq_max(b->run[i].end, end);
		run_remove(b, i);
	}
	if (b->count == SACK_RUNS)
		return;
	memmove(&b->run[i + 1], &b->run[i], (b->count - i) * sizeof(b->run[0]));
	b->run[i].start = start;
	b->run[i].end = end;
	b->count++;
}

void sack_input(struct tcp *t, struct tcb *c, const struct segment *s) {
	for (unsigned i = 0; i < s->sack_count; i++) {
		uint32_t start = s->sack[2 * i];
		uint32_t end = s->sack[2 * i + 1];
		// A block at or below the ACK reports a duplicate (RFC 2883).
		if (!seq_lt(s->ack, start) || !seq_lt(start, end) || seq_lt(c->snd_nxt, end)
		    || !seq_lt(c->snd_una, start))
			continue;
		if (c->sack == 0) {
			c->sack = slab_alloc(&t->slab, sizeof(struct sack_board));
			if (c->sack == 0)
				return;
			board_of(t, c)->count = 0;
		}
		run_add(board_of(t, c), start, end);
	}
}

void sack_trim(struct tcp *t, struct tcb *c) {
	struct sack_board *b = board_of(t, c);

	if (b == nullptr)
		return;
	while (b->count > 0 && seq_le(b->run[0].end, c->snd_una))
		run_remove(b, 0);
	if (b->count > 0 && seq_lt(b->run[0].start, c->snd_una))
		b->run[0].start = c->snd_una;
	if (b->count == 0)
		sack_drop(t, c);
}

uint32_t
sack_hole(const struct tcp *t, const struct tcb *c, uint32_t seq, uint32_t end, uint32_t *len) {
	const struct sack_board *b = board_of(t, c);

	for (uint32_t i = 0; b != nullptr && i < b->count; i++) {
		if (seq_lt(seq, b->run[i].start)) {
			end = seq_lt(b->run[i].start, end) ? b->run[i].start : end;
			break;
		}
		seq = seq_max(seq, b->run[i].end);
	}
	*len = seq_lt(seq, end) ? end - seq : 0;
	return seq;
}

uint32_t sack_high(const struct tcp *t, const struct tcb *c) {
	const struct sack_board *b = board_of(t, c);

	return b != nullptr && b->count > 0 ? b->run[b->count - 1].end : c->snd_una;
}
