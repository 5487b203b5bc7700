// SPDX-License-Identifier: Apache-2.0
// The last stage: encode a message's records into batches, all of them or none, within the budgets
// of what may be in flight.
#include "config/config.h"
#include "pipelines/dedup.h"
#include "pipelines/encode_json.h"
#include "pipelines/encode_original.h"
#include "pipelines/encode_protobuf.h"
#include "pipelines/json_writer.h"
#include "pipelines/partition.h"
#include "pipelines/pipeline_state.h"

#include <assert.h>
#include <stdatomic.h>

static struct batch_entry *entry_begin(struct batch *b, struct view key) {
	struct batch_entry *e = &b->entries[b->count];

	json_raw_short(b->buf + b->used, key.p, key.len);
	e->key_offset = b->used;
	e->key_len = (uint16_t)key.len;
	e->offset = b->used + key.len;
	e->lead = 0;
	e->seq_at = 0;
	e->seq_form = SEQ_DIGITS;
	e->headers_offset = 0;
	e->headers_len = 0;
	e->ledger_seq = 0;
	e->late = false;
	atomic_store_explicit(&e->result, RESULT_PENDING, memory_order_relaxed);
	return e;
}

// A record that is held back, with the reason and its message's bytes.
static struct dead_letter
quarantined(const struct pipeline *p, const struct item *it, const struct record *rec) {
	const struct message *m = &it->m;

	return (struct dead_letter) {
		.transport = m->transport,
		.reason = "quarantined",
		.detail = finding_label(rec->quarantine),
		.stage = rec->quarantine == FINDING_SIGNATURE ? "match" : "validate",
		.record = rec,
		.profile = m->profile->name,
		.format = payload_format_label(m->format),
		.device = rec->device,
		.path = m->path,
		.peer = m->peer,
		.peer_port = m->peer_port,
		.realm = m->realm,
		.rx_wall_ns = m->rx_wall_ns,
		.epoch = m->epoch,
		.seq = m->seq,
		.replays = m->replays,
		.original = m->payload,
	};
}

// With protobuf the scratch holds the record afterwards.
static uint32_t
record_bound(const struct pipeline *p, const struct item *it, const struct record *rec) {
	uint32_t n = rec->device.len;

	if (rec->quarantine != FINDING_NONE) {
		struct dead_letter d = quarantined(p, it, rec);
		return n + dead_letter_bound(&d);
	}
	switch (it->m.profile->route->encoding) {
	case ENCODING_ORIGINAL:
		return n + encode_original_bound(&p->envelope, it, rec);
	case ENCODING_PROTOBUF:
		return n + VARINT32_MAX_BYTES
			+ protobuf_prepare(p->protobuf, &p->envelope, it, rec, &p->burst.readings);
	default:
		return n + encode_json_bound(&p->envelope, it, rec, &p->burst.readings) + 1;
	}
}

static void
encode_protobuf(struct pipeline *p, struct batch *b, struct batch_entry *e, uint32_t n) {
	if (b->packing == PACK_DELIMITED) {
		e->lead = (uint8_t)varint_write(b->buf + e->offset, n);
		e->offset += e->lead;
	}
	e->len = protobuf_write(p->protobuf, b->buf + e->offset);
	e->seq_at = e->offset + PROTOBUF_SEQ_AT;
	e->seq_form = SEQ_FIXED64;
}

// `bound` is what record_bound() said.
static void encode_record(
	struct pipeline *p,
	const struct item *it,
	const struct record *rec,
	struct batch *b,
	struct batch_entry *e,
	uint32_t bound
) {
	uint8_t *at = b->buf + e->offset;

	e->kind = ENTRY_RECORD;
	if (rec->quarantine != FINDING_NONE) {
		struct dead_letter d = quarantined(p, it, rec);
		e->kind = ENTRY_QUARANTINED;
		e->len = dead_letter_encode(&p->envelope, &d, at);
		return;
	}
	switch (it->m.profile->route->encoding) {
	case ENCODING_ORIGINAL:
		encode_original(&p->envelope, it, rec, b->buf, e);
		return;
	case ENCODING_PROTOBUF:
		encode_protobuf(p, b, e, bound - rec->device.len - VARINT32_MAX_BYTES);
		return;
	default:
		e->seq_at = e->offset + p->envelope.seq_at;
		e->len = encode_json(&p->envelope, it, rec, &p->burst.readings, at);
		if (b->packing == PACK_LINES)
			at[e->len] = '\n';
	}
}

// What is held back goes to the dead-letter topic one by one.
static struct batch_target target_of(const struct item *it, const struct record *rec) {
	const struct config_route *route = it->m.profile->route;
	struct batch_target to = {.egress = rec->egress, .topic = rec->topic};

	if (route->pack < 2 || rec->quarantine != FINDING_NONE)
		return to;
	to.packing = route->encoding == ENCODING_PROTOBUF ? PACK_DELIMITED : PACK_LINES;
	to.pack_max = route->pack;
	to.partition = rec->partition;
	return to;
}

static bool
add_record(struct pipeline *p, const struct item *it, const struct record *rec, uint32_t ack) {
	const struct message *m = &it->m;
	uint32_t bound = record_bound(p, it, rec);
	struct batch_target to = target_of(it, rec);
	struct batch *b = batch_set_room(&p->batches, &to, bound, m->rx_ns);

	if (b == nullptr)
		return false;
	struct batch_entry *e =
		entry_begin(b, to.packing == PACK_NONE ? rec->device : (struct view) {0});
	encode_record(p, it, rec, b, e, bound);
	e->partition = rec->partition;
	e->ack = ack;
	e->rx_wall_ns = m->rx_wall_ns;
	e->rx_ns = m->rx_ns;
	e->transport = m->transport;
	e->late = rec->late;
	uint64_t used = entry_bytes(e);
	uint32_t packed = e->lead + (to.packing == PACK_LINES ? 1 : 0);
	assert(used + packed <= bound);
	batch_set_added(&p->batches, b, (uint32_t)used + packed);
	p->in_flight_bytes += used;
	return true;
}

// The budget is checked before encoding; a message may go over it by its own size once.
static bool budget_left(const struct pipeline *p, const struct item *it) {
	return p->in_flight_records + it->record_count <= p->env.in_flight_records_max
		&& p->in_flight_bytes < p->env.in_flight_bytes_max;
}

static uint32_t late_count(const struct pipeline *p, const struct item *it) {
	uint32_t n = 0;

	for (uint16_t i = 0; i < it->record_count; i++)
		n += p->burst.records[it->first_record + i].late;
	return n;
}

// What no empty pipeline could take is refused for good: "later" would be a lie.
static bool ever_fits(const struct pipeline *p, const struct item *it) {
	if (it->record_count > p->env.in_flight_records_max)
		return false;
	for (uint16_t i = 0; i < it->record_count; i++)
		if (record_bound(p, it, &p->burst.records[it->first_record + i])
		    > p->env.batches[0].capacity)
			return false;
	return true;
}

static void turn_down(const struct pipeline *p, struct item *it, enum shed_reason why) {
	if (ever_fits(p, it))
		item_shed(it, why);
	else
		item_refuse(it, REFUSE_TOO_LARGE, PAYLOAD_TOO_LARGE, "encode");
}

static void count_findings(struct ledger_stages *stages, const struct record *rec) {
	if (rec->findings == 0)
		return;
	for (uint32_t bits = rec->findings; bits != 0; bits &= bits - 1)
		stages->found[__builtin_ctz(bits)]++;
	if (rec->quarantine != FINDING_NONE)
		stages->counters[STAGE_QUARANTINED]++;
	else
		stages->counters[STAGE_FLAGGED]++;
}

static void accepted(struct pipeline *p, const struct item *it) {
	struct ledger_messages *messages = &p->env.ledger->messages[it->m.transport];
	struct ledger_records *records = &p->env.ledger->records[it->m.transport];

	messages->received++;
	messages->accepted++;
	records->accepted += it->record_count;
	records->in_flight += it->record_count;
	p->in_flight_records += it->record_count;
	p->late_records += late_count(p, it);
	for (uint16_t i = 0; i < it->record_count; i++)
		count_findings(&p->env.ledger->stages, &p->burst.records[it->first_record + i]);
	decision_item(p, it, DECISION_ACCEPTED);
}

static void admit_item(struct pipeline *p, struct item *it) {
	bool waits = it->m.token != TOKEN_NONE && it->m.profile->route->ack == ACK_KAFKA;
	bool tracked = waits || it->key.hash != 0; // an entry of dedup has to know the result
	uint64_t bytes_before = p->in_flight_bytes;
	uint32_t ack = TOKEN_NONE;

	if (!budget_left(p, it)) {
		turn_down(p, it, SHED_IN_FLIGHT);
		return;
	}
	if (tracked) {
		ack = ack_table_take(&p->acks, &it->m, it->record_count);
		if (ack == TOKEN_NONE) {
			item_shed(it, SHED_NO_TOKEN);
			return;
		}
		p->acks.slots[ack].silent = !waits;
	}
	for (uint16_t i = 0; i < it->record_count; i++) {
		if (add_record(p, it, &p->burst.records[it->first_record + i], ack))
			continue;
		batch_set_rollback(&p->batches);
		if (tracked)
			ack_table_give(&p->acks, ack);
		p->in_flight_bytes = bytes_before;
		turn_down(p, it, SHED_NO_BATCH);
		return;
	}
	batch_set_commit(&p->batches);
	accepted(p, it);
	it->ack = ack;
	dedup_admitted(p, it, ack);
	if (!waits && it->m.token != TOKEN_NONE)
		settle_later(p, &it->m, &(struct verdict) {.outcome = OUTCOME_ACKED});
}

void admit_burst(struct pipeline *p, uint16_t from, uint16_t to) {
	for (uint16_t i = from; i < to; i++)
		if (p->burst.items[i].state == ITEM_GOING)
			admit_item(p, &p->burst.items[i]);
}

// What we make ourselves never takes the last quarter of anything: a flood of bad input leaves room
// for good.
static bool derived_room(const struct pipeline *p, uint32_t bound) {
	return p->batches.free_count > p->batches.count / 4
		&& p->derived_bytes + bound <= p->env.in_flight_bytes_max / 4;
}

static struct batch *
derived_batch(struct pipeline *p, const struct derived *d, int32_t *partition) {
	uint32_t partitions = p->config->topics[d->topic].partitions;
	uint32_t bound = d->bound + d->key.len;

	if (partitions == 0 || !derived_room(p, bound))
		return nullptr;
	*partition = partition_of(d->spread, partitions);
	struct batch_target to = {
		.egress = egress_of(d->topic, *partition, p->env.egress_count),
		.topic = d->topic,
	};
	struct batch *b = batch_set_room(&p->batches, &to, bound, d->rx_ns);
	if (b == nullptr)
		batch_set_rollback(&p->batches);
	return b;
}

bool admit_derived(struct pipeline *p, const struct derived *d) {
	struct ledger_derived *derived = &p->env.ledger->derived;
	int32_t partition = 0;
	struct batch *b = derived_batch(p, d, &partition);

	derived->made++;
	if (b == nullptr) {
		derived->shed++;
		return false;
	}
	struct batch_entry *e = entry_begin(b, d->key);
	e->len = d->encode(&p->envelope, d->what, b->buf + e->offset);
	e->partition = partition;
	e->ack = TOKEN_NONE;
	e->rx_wall_ns = d->rx_wall_ns;
	e->rx_ns = d->rx_ns;
	e->kind = d->kind;
	e->transport = d->transport;
	assert(entry_bytes(e) <= d->bound + d->key.len);
	batch_set_added(&p->batches, b, (uint32_t)entry_bytes(e));
	p->derived_bytes += entry_bytes(e);
	batch_set_commit(&p->batches);
	derived->in_flight++;
	return true;
}

static uint32_t encode_dead_letter(const struct envelope *e, const void *what, uint8_t *at) {
	return dead_letter_encode(e, what, at);
}

bool admit_dead_letter(struct pipeline *p, const struct dead_letter *d, uint64_t rx_ns) {
	struct derived out = {
		.topic = p->config->kafka.dead_letter,
		.kind = ENTRY_DEAD_LETTER,
		.transport = d->transport,
		.key = d->device,
		.spread = d->device.len > 0 ? d->device : d->peer,
		.bound = dead_letter_bound(d),
		.encode = encode_dead_letter,
		.what = d,
		.rx_wall_ns = d->rx_wall_ns,
		.rx_ns = rx_ns,
	};
	return admit_derived(p, &out);
}
