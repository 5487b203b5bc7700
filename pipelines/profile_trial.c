// SPDX-License-Identifier: Apache-2.0
#include "config/select.h"
#include "pipelines/decode.h"
#include "pipelines/json_writer.h"
#include "pipelines/pipeline.h"
#include "pipelines/profile_trial.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BATCHES 8
#define FIELDS_TEXT_MAX (8u << 20)

struct trial {
	const struct profile_trial *asked;
	struct config *config;
	const struct profile *profile;
	const char *why; // this profile
	struct message message;
	struct pipeline *pipeline;
	struct batch batches[BATCHES];
	struct batch *sealed[BATCHES];
	uint32_t sealed_count;
	struct ledger ledger;
	struct verdict verdict;
	bool settled;
	FILE *out;
	const char *separator; // before the next element of a JSON list
};

static void on_sealed(void *owner, struct batch *b) {
	struct trial *t = owner;

	t->sealed[t->sealed_count++] = b;
}

static void on_done(void *owner, uint32_t, const struct verdict *v) {
	struct trial *t = owner;

	t->verdict = *v;
	t->settled = true;
}

static enum transport transport_of(const struct config_listener *l) {
	switch (l->protocol) {
	case LISTEN_FRAME:
		return TRANSPORT_FRAME;
	case LISTEN_COAP:
		return TRANSPORT_COAP;
	case LISTEN_MQTT:
		return TRANSPORT_MQTT;
	default:
		return TRANSPORT_UDP;
	}
}

static void profile_choose(struct trial *t) {
	const struct profile_selector *s = t->config->selector;
	const struct profile_trial *a = t->asked;

	t->profile = a->profile;
	t->why = "asked for";
	if (t->profile == nullptr && s != nullptr) {
		t->profile = profile_select_named(s, a->registry_profile);
		t->why = "the registry names it";
	}
	if (t->profile == nullptr && s != nullptr) {
		t->profile = profile_select(s, a->listener->number, a->path, a->labels);
		t->why = "its match holds";
	}
	if (t->profile == nullptr) {
		t->profile = a->listener->profile;
		t->why = "the listener's";
	}
}

static void message_make(struct trial *t) {
	static const uint8_t peer[4] = {192, 0, 2, 1}; // documentation (RFC 5737)
	const struct profile_trial *a = t->asked;
	uint8_t format = t->profile->format;

	t->message = (struct message) {
		.transport = transport_of(a->listener),
		.format = format != 0 ? (enum payload_format)(format - 1) : a->listener->format,
		.realm = a->listener->realm,
		.profile = t->profile,
		.listener = a->listener->number,
		.device = a->device,
		.path = a->path,
		.payload = a->payload,
		.proven = true,
		.peer = view_of(peer, sizeof(peer)),
		.rx_wall_ns = a->wall_ns,
		.rx_ns = 1000000000,
		.epoch = 1,
		.seq = 1,
	};
}

// What is shown must be text, and every topic must have a partition.
static void config_prepare(struct trial *t) {
	for (uint32_t i = 0; i < t->config->topic_count; i++)
		if (t->config->topics[i].partitions == 0)
			t->config->topics[i].partitions = 1;
	for (uint32_t i = 0; i < t->config->route_count; i++) {
		t->config->routes[i].encoding = ENCODING_JSON;
		t->config->routes[i].pack = 0;
	}
	t->config->selector = nullptr; // the choice is made
}

static struct device_facts facts_of(void *trial, struct view) {
	const struct trial *t = trial;

	return (struct device_facts) {
		.profile = t->asked->registry_profile,
		.labels = t->asked->labels,
	};
}

static int pipeline_make(struct trial *t) {
	struct pipeline_env env = {
		.egress_count = 1,
		.batches = t->batches,
		.batch_count = BATCHES,
		.ack_slots = 16,
		.in_flight_records_max = 1u << 20,
		.in_flight_bytes_max = 1u << 30,
		.appliance_epoch = 1,
		.ledger = &t->ledger,
		.sealed = on_sealed,
		.owner = t,
		.authority = {.facts_of = facts_of, .owner = t},
	};

	for (uint16_t i = 0; i < BATCHES; i++) {
		t->batches[i].index = i;
		t->batches[i].capacity = t->config->egress.batch_bytes;
		t->batches[i].buf = malloc(t->batches[i].capacity);
		if (t->batches[i].buf == nullptr)
			return -ENOMEM;
	}
	env.adapters[t->message.transport].done = on_done;
	env.adapters[t->message.transport].adapter = t;
	return pipeline_create(&env, t->config, &t->pipeline);
}

// --- before: what the decoder makes of it

static void fields_print(struct trial *t, const struct burst *b, const struct record *rec) {
	const struct field *fields = b->readings.fields + rec->first_field;
	uint8_t *text = malloc(FIELDS_TEXT_MAX);
	uint8_t *p = text;

	if (text == nullptr)
		return;
	*p++ = '{';
	for (uint16_t i = 0; i < rec->field_count; i++) {
		if (i > 0)
			*p++ = ',';
		p = json_string(p, fields[i].name);
		*p++ = ':';
		p = json_value(p, &fields[i].v);
	}
	*p++ = '}';
	p = JSON_LITERAL(p, ",\"units\":{");
	bool first = true;
	for (uint16_t i = 0; i < rec->field_count; i++) {
		if (fields[i].unit.len == 0)
			continue;
		if (!first)
			*p++ = ',';
		first = false;
		p = json_string(p, fields[i].name);
		*p++ = ':';
		p = json_string(p, fields[i].unit);
	}
	*p++ = '}';
	fwrite(text, 1, (size_t)(p - text), t->out);
	free(text);
}

static void record_print(struct trial *t, const struct burst *b, const struct record *rec) {
	uint8_t device[6 * DEVICE_ID_MAX + 2];
	uint8_t *end = json_string(device, rec->device);

	fprintf(t->out,
		"%s{\"device\":%.*s",
		t->asked->json ? t->separator : "before   ",
		(int)(end - device),
		(const char *)device);
	if (rec->reading->has_time)
		fprintf(t->out, ",\"time_ns\":%" PRId64, rec->reading->time_ns);
	if (rec->reading->has_seq)
		fprintf(t->out, ",\"seq\":%" PRIu64, rec->reading->seq);
	fputs(",\"fields\":", t->out);
	fields_print(t, b, rec);
	fputs(t->asked->json ? "}" : "}\n", t->out);
	t->separator = ",";
}

static int before_print(struct trial *t) {
	void *scratch = aligned_alloc(64, payload_decoder_size());
	struct burst *b = calloc(1, sizeof(*b));
	int ret = scratch == nullptr || b == nullptr ? -ENOMEM : 0;

	if (ret == 0) {
		b->item_count = 1;
		b->items[0].m = t->message;
		decode_burst(payload_decoder_init(scratch), b, 0);
		for (uint16_t i = 0; i < b->items[0].record_count; i++)
			record_print(t, b, &b->records[b->items[0].first_record + i]);
	}
	free(b);
	free(scratch);
	return ret;
}

// --- after: what would reach Kafka

static void entry_print(struct trial *t, const struct batch *b, const struct batch_entry *e) {
	const char *value = (const char *)b->buf + e->offset;
	const char *topic = t->config->topics[b->topic].name;

	if (t->asked->json)
		fprintf(t->out,
			"%s{\"topic\":\"%s\",\"value\":%.*s}",
			t->separator,
			topic,
			(int)e->len,
			value);
	else
		fprintf(t->out, "%-8s %.*s\n", topic, (int)e->len, value);
	t->separator = ",";
}

static void after_print(struct trial *t) {
	pipeline_push(t->pipeline, &t->message);
	pipeline_run(t->pipeline, t->message.rx_ns, t->message.rx_wall_ns);
	pipeline_seal_all(t->pipeline);
	for (uint32_t i = 0; i < t->sealed_count; i++) {
		struct batch *b = t->sealed[i];
		for (uint32_t k = 0; k < b->count; k++) {
			entry_print(t, b, &b->entries[k]);
			atomic_store(&b->entries[k].result, RESULT_DELIVERED);
		}
		pipeline_complete(
			t->pipeline,
			(struct completion) {.batch = b->index, .count = (uint16_t)b->count},
			t->message.rx_ns
		);
	}
	t->sealed_count = 0;
}

static const char *outcome_text(const struct trial *t) {
	if (!t->settled)
		return "waiting";
	switch (t->verdict.outcome) {
	case OUTCOME_ACKED:
		return "acknowledged";
	case OUTCOME_REFUSED:
		return refuse_reason_label(t->verdict.refuse);
	default:
		return shed_reason_label(t->verdict.shed);
	}
}

static int trial_run(struct trial *t) {
	bool json = t->asked->json;

	profile_choose(t);
	message_make(t);
	config_prepare(t);
	fprintf(t->out,
		json ? "{\"profile\":\"%s\",\"schema\":%" PRIu32
		       ",\"why\":\"%s\",\"format\":\"%s\",\"steps\":%" PRIu32 ",\"before\":["
		     : "profile  %s, schema %" PRIu32 " (%s), format %s, %" PRIu32 " steps\n",
		t->profile->name,
		t->profile->schema_version,
		t->why,
		payload_format_label(t->message.format),
		t->profile->step_count);
	t->separator = "";
	int ret = before_print(t);
	if (ret == 0)
		ret = pipeline_make(t);
	if (ret != 0)
		return ret;
	if (json)
		fputs("],\"after\":[", t->out);
	t->separator = "";
	after_print(t);
	bool malformed = t->settled && t->verdict.payload != PAYLOAD_OK;
	const char *detail = malformed ? payload_rc_label(t->verdict.payload) : "";
	if (json)
		fprintf(t->out, "],\"outcome\":\"%s\",\"detail\":\"%s\"}\n", outcome_text(t), detail
		);
	else
		fprintf(t->out, "outcome  %s%s%s\n", outcome_text(t), malformed ? ", " : "", detail
		);
	return !t->settled || t->verdict.outcome != OUTCOME_ACKED;
}

int profile_trial_run(struct config *c, const struct profile_trial *asked, FILE *out) {
	struct trial *t = calloc(1, sizeof(*t));

	if (t == nullptr)
		return -ENOMEM;
	t->asked = asked;
	t->config = c;
	t->out = out;
	int ret = trial_run(t);
	pipeline_destroy(t->pipeline);
	for (uint16_t i = 0; i < BATCHES; i++)
		free(t->batches[i].buf);
	free(t);
	return ret;
}
