// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/encode_json.h"
#include "pipelines/findings_json.h"
#include "pipelines/json_writer.h"

#include <assert.h>
#include <string.h>

// Keys, punctuation and the numbers outside `fields`, all optional members present.
#define FIXED_BYTES 896
#define FIELD_PUNCTUATION 4 // colon and comma, in `fields` and in `units`

static uint32_t properties_bound(const struct message *m) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->property_count; i++)
		n += json_string_bound(m->properties[i].name.len)
			+ json_string_bound(m->properties[i].value.len) + 4;
	return n;
}

uint32_t encode_json_bound(
	const struct envelope *e,
	const struct item *it,
	const struct record *rec,
	const struct readings *readings
) {
	const struct field *fields = readings->fields + rec->first_field;
	uint32_t n = FIXED_BYTES + ENVELOPE_PREFIX_MAX + 2 * json_string_bound(rec->device.len)
		+ json_string_bound(rec->claimed.len) + json_string_bound(it->m.path.len)
		+ json_string_bound(it->m.content_type.len) + properties_bound(&it->m);

	for (uint32_t i = 0; i < rec->field_count; i++) {
		n += json_string_bound(fields[i].name.len) + json_value_bound(&fields[i].v)
			+ FIELD_PUNCTUATION;
		if (fields[i].unit.len > 0)
			n += json_string_bound(fields[i].name.len)
				+ json_string_bound(fields[i].unit.len);
	}
	n += findings_json_bound(rec);
	return n;
}

// Up to the device's name in the id.
static const struct envelope_head *head(struct envelope *e, const struct message *m) {
	uint8_t ack = m->profile->route->ack;
	struct envelope_head *h = &e->json;

	if (envelope_head_is(h, m, ack))
		return h;
	const struct envelope_prefix *prefix = &e->record[m->transport][ack];
	uint8_t *p = json_raw(h->text, prefix->text, prefix->len);
	p = json_u64(p, m->realm);
	p = JSON_LITERAL(p, ",\"arrival_ns\":");
	p = json_i64(p, m->rx_wall_ns);
	p = JSON_LITERAL(p, ",\"id\":\"");
	h->len = (uint32_t)(p - h->text);
	return h;
}

static const struct envelope_epoch *epoch(struct envelope *e, uint64_t of) {
	struct envelope_epoch *k = &e->epoch;

	if (k->id_len > 0 && k->of == of)
		return k;
	uint8_t *p = k->id;
	*p++ = '/';
	p = json_u64(p, of);
	*p++ = '/';
	k->id_len = (uint8_t)(p - k->id);
	p = JSON_LITERAL(k->member, ",\"epoch\":");
	p = json_u64(p, of);
	p = JSON_LITERAL(p, ",\"seq\":");
	k->member_len = (uint8_t)(p - k->member);
	k->of = of;
	return k;
}

static uint8_t *places(uint8_t *p, const uint8_t from[ENVELOPE_EPOCH_PLACES], uint32_t len) {
	static_assert(sizeof(",\"epoch\":,\"seq\":") + JSON_U64_MAX_BYTES < ENVELOPE_EPOCH_PLACES);
	memcpy(p, from, ENVELOPE_EPOCH_PLACES);
	return p + len;
}

// The record id, the same for every copy of one message, different for everything else; and its
// parts. Fixed copies write behind what they are for: what follows is longer.
static uint8_t *identity(
	uint8_t *p,
	const struct envelope_epoch *k,
	const struct item *it,
	const struct record *rec
) {
	uint64_t seq = rec->reading->has_seq ? rec->reading->seq : it->m.seq;
	bool alone = rec->n == 0 && it->record_count == 1;

	p = json_escaped(p, rec->device);
	p = places(p, k->id, k->id_len);
	p = json_u64(p, seq);
	*p++ = '/';
	p = json_u64(p, rec->n);
	p = JSON_LITERAL(p, "\",\"device\":");
	p = json_string(p, rec->device);
	p = places(p, k->member, k->member_len);
	p = json_u64(p, seq);
	if (alone)
		return JSON_LITERAL(p, ",\"n\":0,\"of\":1");
	p = JSON_LITERAL(p, ",\"n\":");
	p = json_u64(p, rec->n);
	p = JSON_LITERAL(p, ",\"of\":");
	return json_u64(p, it->record_count);
}

static uint8_t *properties(uint8_t *p, const struct message *m) {
	p = JSON_LITERAL(p, ",\"properties\":[");
	for (uint32_t i = 0; i < m->property_count; i++) {
		*p++ = '[';
		p = json_string(p, m->properties[i].name);
		*p++ = ',';
		p = json_string(p, m->properties[i].value);
		p = JSON_LITERAL(p, "],");
	}
	p[-1] = ']';
	return p;
}

// What the record looks like, if its profile counts that.
static uint8_t *schema(uint8_t *p, const struct profile *profile) {
	static_assert(6 * PROFILE_NAME_MAX + JSON_U64_MAX_BYTES + 24 < FIXED_BYTES - 640);
	if (profile->schema_version == 0)
		return p;
	p = JSON_LITERAL(p, ",\"profile\":");
	p = json_string(
		p, view_of(profile->name, (uint32_t)strnlen(profile->name, PROFILE_NAME_MAX))
	);
	p = JSON_LITERAL(p, ",\"schema\":");
	return json_u64(p, profile->schema_version);
}

static uint8_t *optional(uint8_t *p, const struct message *m, const struct record *rec) {
	if (rec->claimed.len > 0) {
		p = JSON_LITERAL(p, ",\"claimed\":");
		p = json_string(p, rec->claimed);
	}
	if (rec->reading->has_time) {
		p = JSON_LITERAL(p, ",\"time_ns\":");
		p = json_i64(p, rec->reading->time_ns);
	}
	p = schema(p, m->profile);
	if (m->path.len > 0) {
		p = JSON_LITERAL(p, ",\"path\":");
		p = json_string(p, m->path);
	}
	if (m->content_type.len > 0) {
		p = JSON_LITERAL(p, ",\"content_type\":");
		p = json_string(p, m->content_type);
	}
	if (m->replays > 0) {
		p = JSON_LITERAL(p, ",\"replays\":");
		p = json_u64(p, m->replays);
	}
	if (m->property_count > 0)
		p = properties(p, m);
	return p;
}

static uint8_t *flags(uint8_t *p, const struct message *m) {
	if (m->proven)
		return m->retained ? JSON_LITERAL(p, ",\"flags\":[\"proven\",\"retained\"]")
				   : JSON_LITERAL(p, ",\"flags\":[\"proven\"]");
	return m->retained ? JSON_LITERAL(p, ",\"flags\":[\"retained\"]")
			   : JSON_LITERAL(p, ",\"flags\":[]");
}

static uint8_t *units(uint8_t *p, const struct field *fields, uint32_t n) {
	p = JSON_LITERAL(p, ",\"units\":{");
	for (uint32_t i = 0; i < n; i++) {
		if (fields[i].unit.len == 0)
			continue;
		p = json_string(p, fields[i].name);
		*p++ = ':';
		p = json_string(p, fields[i].unit);
		*p++ = ',';
	}
	p[-1] = '}';
	return p;
}

static uint8_t *values(uint8_t *p, const struct field *fields, uint32_t n) {
	bool has_units = false;

	if (n == 0) // map dropped all of them
		return JSON_LITERAL(p, ",\"fields\":{}");
	p = JSON_LITERAL(p, ",\"fields\":{");
	for (uint32_t i = 0; i < n; i++) {
		p = json_string(p, fields[i].name);
		*p++ = ':';
		p = json_value(p, &fields[i].v);
		*p++ = ',';
		has_units |= fields[i].unit.len > 0;
	}
	p[-1] = '}';
	return has_units ? units(p, fields, n) : p;
}

uint32_t encode_json(
	struct envelope *e,
	const struct item *it,
	const struct record *rec,
	const struct readings *readings,
	uint8_t *at
) {
	const struct envelope_head *h = head(e, &it->m);
	uint8_t *p = json_raw(at, h->text, h->len);

	p = identity(p, epoch(e, it->m.epoch), it, rec);
	p = optional(p, &it->m, rec);
	p = flags(p, &it->m);
	p = findings_json(p, rec);
	p = values(p, readings->fields + rec->first_field, rec->field_count);
	*p++ = '}';
	return (uint32_t)(p - at);
}
