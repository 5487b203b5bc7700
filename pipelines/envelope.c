// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/envelope.h"
#include "pipelines/headers.h"
#include "pipelines/json_writer.h"

#include <assert.h>
#include <string.h>

// Name (escaped), numbers, labels and keys together.
static_assert(6 * CONFIG_NAME_MAX + 4 * JSON_U64_MAX_BYTES + 200 < ENVELOPE_PREFIX_MAX);

const char *clock_quality_label(enum clock_quality q) {
	static const char *const labels[] = {
		[CLOCK_UNKNOWN] = "unknown",
		[CLOCK_HOLDOVER] = "holdover",
		[CLOCK_SYNCED] = "synced"
	};
	return labels[q];
}

const char *ack_contract_label(uint8_t ack) {
	static const char *const labels[ENVELOPE_ACKS] = {
		[ACK_RECEIVED] = "received", [ACK_KAFKA] = "kafka"
	};
	return labels[ack];
}

static uint8_t *label(uint8_t *p, const char *s) {
	return json_string(p, view_of(s, (uint32_t)strlen(s)));
}

static uint8_t *origin(uint8_t *p, const struct envelope *e) {
	p = JSON_LITERAL(p, "\"appliance\":");
	p = json_string(p, e->appliance);
	p = JSON_LITERAL(p, ",\"appliance_epoch\":");
	p = json_u64(p, e->appliance_epoch);
	p = JSON_LITERAL(p, ",\"map\":");
	p = json_u64(p, e->partition_map);
	p = JSON_LITERAL(p, ",\"clock\":");
	p = label(p, clock_quality_label(e->clock));
	if (e->clock != CLOCK_UNKNOWN) {
		p = JSON_LITERAL(p, ",\"clock_error_us\":");
		p = json_u64(p, e->clock_error_us);
	}
	return p;
}

static uint8_t *tail(uint8_t *p, enum transport t) {
	p = JSON_LITERAL(p, ",\"transport\":");
	p = label(p, transport_label(t));
	return JSON_LITERAL(p, ",\"realm\":");
}

static void render_record(struct envelope *e, enum transport t, uint8_t ack) {
	struct envelope_prefix *out = &e->record[t][ack];
	uint8_t *p = out->text;

	p = JSON_LITERAL(p, "{\"type\":\"record\",\"ledger_seq\":");
	e->seq_at = (uint32_t)(p - out->text);
	digits_patch(p, LEDGER_SEQ_DIGITS, 0);
	p += LEDGER_SEQ_DIGITS;
	*p++ = ',';
	p = origin(p, e);
	p = JSON_LITERAL(p, ",\"ack\":");
	p = label(p, ack_contract_label(ack));
	p = tail(p, t);
	out->len = (uint32_t)(p - out->text);
}

static void render_derived(
	const struct envelope *e,
	struct envelope_prefix *out,
	const char *type,
	enum transport t
) {
	uint8_t *p = out->text;

	p = JSON_LITERAL(p, "{\"type\":");
	p = label(p, type);
	*p++ = ',';
	p = origin(p, e);
	p = tail(p, t);
	out->len = (uint32_t)(p - out->text);
}

void envelope_render(struct envelope *e, const struct config *c) {
	e->appliance = view_of(c->appliance, (uint32_t)strnlen(c->appliance, CONFIG_NAME_MAX));
	e->partition_map = c->partition_map;
	e->json.len = 0;
	e->original.len = 0;
	e->epoch.id_len = 0;
	for (enum transport t = 0; t < TRANSPORT_COUNT; t++) {
		for (uint8_t ack = 0; ack < ENVELOPE_ACKS; ack++)
			render_record(e, t, ack);
		render_derived(e, &e->dead_letter[t], "dead-letter", t);
		render_derived(e, &e->alert[t], "alert", t);
	}
}
