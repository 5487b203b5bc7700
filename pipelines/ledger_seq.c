// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/headers.h"
#include "pipelines/ledger_seq.h"

#include <errno.h>
#include <stdlib.h>

struct ledger_seq {
	uint32_t topics;
	uint32_t *first; // by topic: flat index of its partition 0; [topics] = total
	uint64_t *next; // by flat index
};

int ledger_seq_create(const struct config *c, struct ledger_seq **out) {
	struct ledger_seq *s = calloc(1, sizeof(*s));
	uint32_t total = 0;

	if (s == nullptr)
		return -ENOMEM;
	s->topics = c->topic_count;
	s->first = calloc(c->topic_count + 1, sizeof(*s->first));
	if (s->first == nullptr)
		goto err;
	for (uint32_t t = 0; t < c->topic_count; t++) {
		s->first[t] = total;
		total += c->topics[t].partitions > 0 ? c->topics[t].partitions : 1;
	}
	s->first[c->topic_count] = total;
	s->next = calloc(total + 1, sizeof(*s->next));
	if (s->next == nullptr)
		goto err;
	for (uint32_t i = 0; i < total; i++)
		s->next[i] = 1;
	*out = s;
	return 0;

err:
	ledger_seq_destroy(s);
	return -ENOMEM;
}

void ledger_seq_destroy(struct ledger_seq *s) {
	if (s == nullptr)
		return;
	free(s->first);
	free(s->next);
	free(s);
}

uint32_t ledger_seq_topic_partitions(const struct ledger_seq *s, uint16_t topic) {
	return s->first[topic + 1] - s->first[topic];
}

uint32_t ledger_seq_index(const struct ledger_seq *s, uint16_t topic, int32_t partition) {
	if (topic >= s->topics || partition < 0
	    || (uint32_t)partition >= ledger_seq_topic_partitions(s, topic))
		return UINT32_MAX;
	return s->first[topic] + (uint32_t)partition;
}

uint32_t ledger_seq_partitions(const struct ledger_seq *s) {
	return s->first[s->topics];
}

static bool numbered(const struct batch_entry *e) {
	return e->kind == ENTRY_RECORD || e->seq_at != 0;
}

static void seq_patch(uint8_t *at, enum seq_form form, uint64_t seq) {
	if (form == SEQ_DIGITS) {
		digits_patch(at, LEDGER_SEQ_DIGITS, seq);
		return;
	}
	for (uint32_t i = 0; i < 8; i++)
		at[i] = (uint8_t)(seq >> 8 * i);
}

void ledger_seq_give(struct ledger_seq *s, const struct batch *b, struct batch_entry *e) {
	uint32_t i = ledger_seq_index(s, b->topic, e->partition);

	e->ledger_seq = 0;
	if (i == UINT32_MAX || !numbered(e))
		return;
	e->ledger_seq = s->next[i]++;
	if (e->seq_at != 0)
		seq_patch(b->buf + e->seq_at, e->seq_form, e->ledger_seq);
}

void ledger_seq_ungive(struct ledger_seq *s, const struct batch *b, struct batch_entry *e) {
	uint32_t i = ledger_seq_index(s, b->topic, e->partition);

	if (i != UINT32_MAX && e->ledger_seq != 0)
		s->next[i]--;
	e->ledger_seq = 0;
}

void ledger_seq_rewind(struct ledger_seq *s, uint32_t index, uint64_t last) {
	s->next[index] = last + 1;
}
