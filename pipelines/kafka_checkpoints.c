// SPDX-License-Identifier: Apache-2.0
// Checkpoint records on their way to Kafka: at most one per partition at a time, offered again
// unchanged until it is acknowledged, so that the chain a consumer sees has no branch.
#include "config/config.h"
#include "pipelines/kafka_producer.h"

#include <stdlib.h>

#define NS_PER_MS 1000000ull

int checkpoints_create(struct sink *s) {
	uint32_t n = ledger_seq_partitions(s->seq);

	s->checkpoints = calloc(n + 1, sizeof(*s->checkpoints));
	if (s->checkpoints == nullptr)
		return -1;
	for (uint16_t t = 0; t < s->env.config->topic_count; t++) {
		uint32_t first = ledger_seq_index(s->seq, t, 0);
		for (uint32_t p = 0; p < ledger_seq_topic_partitions(s->seq, t); p++) {
			s->checkpoints[first + p].topic = t;
			s->checkpoints[first + p].partition = (int32_t)p;
			checkpoint_init(&s->checkpoints[first + p].chain);
		}
	}
	return 0;
}

static void checkpoint_offer(struct sink *s, uint32_t index) {
	struct checkpoint_state *p = &s->checkpoints[index];
	struct topic_state *t = &s->topics[p->topic];

	if (p->offered || t->stalled || !t->ready)
		return;
	int ret = rd_kafka_produce(
		t->rkt,
		p->partition,
		0,
		p->text,
		p->len,
		nullptr,
		0,
		(void *)(CHECKPOINT_TAG | index)
	);
	if (ret != 0)
		return;
	p->offered = true;
	t->outstanding++;
	s->outstanding++;
}

static void checkpoint_render(struct sink *s, struct checkpoint_state *p) {
	const struct config *c = s->env.config;
	const struct checkpoint_origin origin = {
		.appliance = c->appliance,
		.epoch = s->env.epoch,
		.topic = c->topics[p->topic].name,
		.partition = p->partition,
		.partition_map = c->partition_map,
		.wall_ns = (int64_t)s->now_ns
			+ atomic_load_explicit(s->env.wall_offset_ns, memory_order_relaxed),
		.clock = atomic_load_explicit(s->env.clock_quality, memory_order_relaxed),
	};

	p->len = checkpoint_make(&p->chain, &origin, p->text);
	p->made = true;
	sink_counter_add(&s->counters.checkpoints_made, 1);
}

void checkpoints_tick(struct sink *s, bool now) {
	uint32_t ms = s->env.checkpoint_ms != nullptr
		? atomic_load_explicit(s->env.checkpoint_ms, memory_order_relaxed)
		: s->env.config->egress.checkpoint_ms;

	if (ms == 0 || s->fatal || (!now && s->now_ns < s->checkpoint_ns))
		return;
	s->checkpoint_ns = s->now_ns + ms * NS_PER_MS;
	for (uint32_t i = 0; i < ledger_seq_partitions(s->seq); i++) {
		struct checkpoint_state *p = &s->checkpoints[i];
		if (!p->made && checkpoint_due(&p->chain))
			checkpoint_render(s, p);
		if (p->made)
			checkpoint_offer(s, i);
	}
}

bool checkpoints_report(struct sink *s, const rd_kafka_message_t *m) {
	uintptr_t opaque = (uintptr_t)m->_private;

	if ((opaque & CHECKPOINT_TAG) == 0)
		return false;
	struct checkpoint_state *p = &s->checkpoints[opaque & ~CHECKPOINT_TAG];
	struct topic_state *t = &s->topics[p->topic];
	s->outstanding--;
	t->outstanding--;
	p->offered = false;
	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		p->made = false;
		sink_counter_add(&s->counters.checkpoints_delivered, 1);
	} else {
		sink_counter_add(&s->counters.errors, 1);
		topic_stall(s, t);
	}
	return true;
}

void checkpoints_add(struct sink *s, const struct batch *b, const struct batch_entry *e) {
	struct checkpoint_state *p =
		&s->checkpoints[ledger_seq_index(s->seq, b->topic, e->partition)];

	if (s->env.config->egress.checkpoint_ms == 0)
		return;
	if (s->chained != p) {
		s->beside = s->chained;
		s->chained = p;
	}
	if (s->beside != nullptr)
		checkpoint_room(&p->chain, &s->beside->chain, e->key_len + e->len);
	// More gaps than a checkpoint can name: the chain no longer fits and every consumer says
	// so.
	if (checkpoint_add(
		    &p->chain,
		    e->ledger_seq,
		    (struct view) {b->buf + e->key_offset, e->key_len},
		    (struct view) {b->buf + e->offset, e->len}
	    )
	    != 0)
		sink_counter_add(&s->counters.errors, 1);
}

void checkpoints_destroy(struct sink *s) {
	free(s->checkpoints);
}
