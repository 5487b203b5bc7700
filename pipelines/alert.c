// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/alert.h"
#include "pipelines/decode.h"
#include "pipelines/json_writer.h"
#include "pipelines/pipeline_state.h"

#include <math.h>
#include <string.h>

// Keys, punctuation, labels, the peer and the numbers.
#define FIXED_BYTES 1024

const char *alert_kind_label(enum alert_kind k) {
	static const char *const labels[] = {
		[ALERT_NONE] = "none",
		[ALERT_ABOVE] = "above",
		[ALERT_BELOW] = "below",
		[ALERT_UNUSUAL] = "unusual",
	};
	return labels[k];
}

const char *watch_kind_label(enum watch_kind k) {
	static const char *const labels[WATCH_KIND_COUNT] = {
#define X(id, label) [id] = label,
		WATCH_KINDS(X)
#undef X
	};
	return labels[k];
}

uint32_t alert_bound(const struct alert *a) {
	return FIXED_BYTES + ENVELOPE_PREFIX_MAX + json_string_bound(a->device.len)
		+ json_string_bound(a->field.len);
}

static uint8_t *label(uint8_t *p, const char *s) {
	return json_string(p, view_of(s, (uint32_t)strlen(s)));
}

static uint8_t *number(uint8_t *p, double v) {
	return isfinite(v) ? json_f64(p, v, 0) : JSON_LITERAL(p, "null");
}

static uint8_t *field_part(uint8_t *p, const struct alert *a) {
	p = JSON_LITERAL(p, ",\"field\":");
	p = json_string(p, a->field);
	p = JSON_LITERAL(p, ",\"value\":");
	p = number(p, a->value);
	p = JSON_LITERAL(p, ",\"limit\":");
	p = number(p, a->limit);
	if (a->z != 0) {
		p = JSON_LITERAL(p, ",\"z\":");
		p = number(p, a->z);
	}
	p = JSON_LITERAL(p, ",\"time_ns\":");
	return json_i64(p, a->time_ns);
}

static uint8_t *who(uint8_t *p, const struct alert *a) {
	uint8_t address[ADDRESS_TEXT_MAX];
	uint32_t len = address_text(a->peer, address);

	if (a->device.len > 0) {
		p = JSON_LITERAL(p, ",\"device\":");
		p = json_string(p, a->device);
	}
	if (len > 0) {
		p = JSON_LITERAL(p, ",\"peer\":");
		p = json_string(p, view_of(address, len));
	}
	if (a->profile[0] != '\0') {
		p = JSON_LITERAL(p, ",\"profile\":");
		p = label(p, a->profile);
	}
	return p;
}

uint32_t alert_encode(const struct envelope *e, const struct alert *a, uint8_t *at) {
	const struct envelope_prefix *prefix = &e->alert[a->transport];
	uint8_t *p = json_raw(at, prefix->text, prefix->len);

	p = json_u64(p, a->realm);
	p = a->raise ? JSON_LITERAL(p, ",\"alert\":\"raise\"")
		     : JSON_LITERAL(p, ",\"alert\":\"clear\"");
	p = JSON_LITERAL(p, ",\"kind\":");
	p = label(p, a->kind);
	p = who(p, a);
	if (a->field.len > 0) {
		p = field_part(p, a);
	} else {
		p = JSON_LITERAL(p, ",\"count\":");
		p = json_u64(p, a->count);
	}
	if (a->signature != 0) {
		p = JSON_LITERAL(p, ",\"signature\":");
		p = json_u64(p, a->signature);
	}
	p = JSON_LITERAL(p, ",\"arrival_ns\":");
	p = json_i64(p, a->arrival_ns);
	*p++ = '}';
	return (uint32_t)(p - at);
}

static uint32_t encode(const struct envelope *e, const void *what, uint8_t *at) {
	return alert_encode(e, what, at);
}

bool alert_send(struct pipeline *p, const struct alert *a) {
	uint64_t *counters = p->env.ledger->stages.counters;
	struct derived d = {
		.topic = p->config->kafka.alert,
		.kind = ENTRY_ALERT,
		.transport = a->transport,
		.key = a->device,
		.spread = a->device.len > 0 ? a->device : a->peer,
		.bound = alert_bound(a),
		.encode = encode,
		.what = a,
		.rx_wall_ns = a->arrival_ns,
		.rx_ns = a->rx_ns,
	};

	if (p->config->kafka.alert_topic[0] != '\0' && !admit_derived(p, &d)) {
		counters[STAGE_ALERTS_HELD]++;
		return false;
	}
	counters[a->raise ? STAGE_ALERTS_RAISED : STAGE_ALERTS_CLEARED]++;
	return true;
}
