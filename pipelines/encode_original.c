// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/encode_original.h"
#include "pipelines/headers.h"
#include "pipelines/json_writer.h"

#include <string.h>

// Names, prefixes and numbers of all headers but the texts that messages bring.
#define FIXED_BYTES 1024

uint32_t
encode_original_bound(const struct envelope *e, const struct item *it, const struct record *rec) {
	uint32_t n = FIXED_BYTES + e->appliance.len + 2 * rec->device.len + it->m.path.len
		+ it->m.content_type.len + rec->claimed.len;

	for (uint32_t i = 0; i < it->m.property_count; i++)
		n += HEADER_PREFIX_BYTES + 5 + it->m.properties[i].name.len
			+ it->m.properties[i].value.len;
	return n + it->m.payload.len;
}

static uint8_t *prefix(uint8_t *p, uint32_t name_len, uint32_t value_len) {
	*p++ = (uint8_t)(name_len >> 8);
	*p++ = (uint8_t)name_len;
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(value_len >> shift);
	return p;
}

static uint8_t *header(uint8_t *p, struct view name, struct view value) {
	p = prefix(p, name.len, value.len);
	p = json_raw(p, name.p, name.len);
	return value.len > 0 ? json_raw(p, value.p, value.len) : p;
}

#define HEADER(p, name, value) header(p, VIEW_LITERAL(name), value)

static uint8_t *header_u64(uint8_t *p, struct view name, uint64_t v) {
	uint8_t digits[JSON_U64_MAX_BYTES];

	return header(p, name, view_of(digits, (uint32_t)(json_u64(digits, v) - digits)));
}

static uint8_t *header_i64(uint8_t *p, struct view name, int64_t v) {
	uint8_t digits[JSON_U64_MAX_BYTES + 1];

	return header(p, name, view_of(digits, (uint32_t)(json_i64(digits, v) - digits)));
}

static uint8_t *header_label(uint8_t *p, struct view name, const char *label) {
	return header(p, name, view_of(label, (uint32_t)strlen(label)));
}

static uint8_t *origin(uint8_t *p, const struct envelope *e, const struct message *m) {
	p = HEADER(p, "appliance", e->appliance);
	p = header_u64(p, VIEW_LITERAL("appliance_epoch"), e->appliance_epoch);
	p = header_u64(p, VIEW_LITERAL("map"), e->partition_map);
	p = header_label(p, VIEW_LITERAL("clock"), clock_quality_label(e->clock));
	if (e->clock != CLOCK_UNKNOWN)
		p = header_u64(p, VIEW_LITERAL("clock_error_us"), e->clock_error_us);
	p = header_label(p, VIEW_LITERAL("ack"), ack_contract_label(m->profile->route->ack));
	p = header_label(p, VIEW_LITERAL("transport"), transport_label(m->transport));
	p = header_u64(p, VIEW_LITERAL("realm"), m->realm);
	return header_i64(p, VIEW_LITERAL("arrival_ns"), m->rx_wall_ns);
}

static uint8_t *identity(uint8_t *p, const struct item *it, const struct record *rec) {
	uint64_t seq = rec->reading->has_seq ? rec->reading->seq : it->m.seq;

	p = HEADER(p, "device", rec->device);
	p = header_u64(p, VIEW_LITERAL("epoch"), it->m.epoch);
	p = header_u64(p, VIEW_LITERAL("seq"), seq);
	p = header_u64(p, VIEW_LITERAL("n"), rec->n);
	p = header_u64(p, VIEW_LITERAL("of"), it->record_count);
	if (rec->claimed.len > 0)
		p = HEADER(p, "claimed", rec->claimed);
	if (rec->reading->has_time)
		p = header_i64(p, VIEW_LITERAL("time_ns"), rec->reading->time_ns);
	return p;
}

static uint8_t *schema(uint8_t *p, const struct profile *profile) {
	if (profile->schema_version == 0)
		return p;
	p = header_label(p, VIEW_LITERAL("profile"), profile->name);
	return header_u64(p, VIEW_LITERAL("schema"), profile->schema_version);
}

static uint8_t *texts(uint8_t *p, const struct message *m) {
	p = header_label(p, VIEW_LITERAL("format"), payload_format_label(m->format));
	if (m->path.len > 0)
		p = HEADER(p, "path", m->path);
	if (m->content_type.len > 0)
		p = HEADER(p, "content_type", m->content_type);
	p = header_label(
		p,
		VIEW_LITERAL("flags"),
		m->proven ? (m->retained ? "proven,retained" : "proven")
			  : (m->retained ? "retained" : "")
	);
	if (m->replays > 0)
		p = header_u64(p, VIEW_LITERAL("replays"), m->replays);
	for (uint32_t i = 0; i < m->property_count; i++) {
		const struct property *u = &m->properties[i];
		p = prefix(p, u->name.len + 5, u->value.len);
		p = JSON_LITERAL(p, "user.");
		p = json_raw(p, u->name.p, u->name.len);
		p = json_raw(p, u->value.p, u->value.len);
	}
	return p;
}

void encode_original(
	const struct envelope *e,
	const struct item *it,
	const struct record *rec,
	uint8_t *buf,
	struct batch_entry *entry
) {
	uint8_t *at = buf + entry->offset;
	uint8_t *p = prefix(at, sizeof("ledger_seq") - 1, LEDGER_SEQ_DIGITS);

	p = JSON_LITERAL(p, "ledger_seq");
	entry->seq_at = (uint32_t)(p - buf);
	digits_patch(p, LEDGER_SEQ_DIGITS, 0);
	p += LEDGER_SEQ_DIGITS;
	p = header_label(p, VIEW_LITERAL("type"), "record");
	p = origin(p, e, &it->m);
	p = identity(p, it, rec);
	p = schema(p, it->m.profile);
	p = texts(p, &it->m);
	entry->headers_offset = entry->offset;
	entry->headers_len = (uint32_t)(p - at);
	entry->offset += entry->headers_len;
	entry->len = it->m.payload.len;
	memcpy(p, it->m.payload.p, it->m.payload.len);
}
