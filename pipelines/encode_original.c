// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/encode_original.h"
#include "pipelines/headers.h"
#include "pipelines/json_writer.h"

#include <string.h>

// Names, prefixes and numbers of all headers but the texts that messages bring.
#define FIXED_BYTES 1024
#define SEQ_AT 16 // of the ledger-seq places, which come first

// The names of the head with their prefixes and values, but the appliance's (CONFIG_NAME_MAX).
static_assert(CONFIG_NAME_MAX + 320 < ENVELOPE_PREFIX_MAX + ENVELOPE_HEAD_MORE);

uint32_t
encode_original_bound(const struct envelope *e, const struct item *it, const struct record *rec) {
	uint32_t n = FIXED_BYTES + e->appliance.len + 2 * rec->device.len + it->m.path.len
		+ it->m.content_type.len + rec->claimed.len;

	for (uint32_t i = 0; i < it->m.property_count; i++)
		n += HEADER_PREFIX_BYTES + 5 + it->m.properties[i].name.len
			+ it->m.properties[i].value.len;
	return n + it->m.payload.len;
}

static inline uint8_t *prefix(uint8_t *p, uint32_t name_len, uint32_t value_len) {
	uint16_t name = __builtin_bswap16((uint16_t)name_len);
	uint32_t value = __builtin_bswap32(value_len);

	memcpy(p, &name, 2);
	memcpy(p + 2, &value, 4);
	return p + HEADER_PREFIX_BYTES;
}

// Inline, because names are literals: their copies are a few stores then.
[[gnu::always_inline]] static inline uint8_t *
header(uint8_t *p, struct view name, struct view value) {
	p = prefix(p, name.len, value.len);
	p = json_raw(p, name.p, name.len);
	return json_raw_short(p, value.p, value.len);
}

#define HEADER(p, name, value) header(p, VIEW_LITERAL(name), value)

// The number is written where it belongs; how long it is, is known before.
[[gnu::always_inline]] static inline uint8_t *header_u64(uint8_t *p, struct view name, uint64_t v) {
	p = prefix(p, name.len, json_u64_digits(v));
	p = json_raw(p, name.p, name.len);
	return json_u64(p, v);
}

static uint8_t *header_i64(uint8_t *p, struct view name, int64_t v) {
	uint8_t digits[JSON_U64_MAX_BYTES + 1];

	return header(p, name, view_of(digits, (uint32_t)(json_i64(digits, v) - digits)));
}

static uint8_t *header_label(uint8_t *p, struct view name, const char *label) {
	return header(p, name, view_of(label, (uint32_t)strlen(label)));
}

// Up to the time of arrival.
static const struct envelope_head *head(struct envelope *e, const struct message *m) {
	uint8_t ack = m->profile->route->ack;
	struct envelope_head *h = &e->original;

	if (envelope_head_is(h, m, ack))
		return h;
	uint8_t *p = prefix(h->text, sizeof("ledger_seq") - 1, LEDGER_SEQ_DIGITS);
	p = JSON_LITERAL(p, "ledger_seq");
	static_assert(SEQ_AT == HEADER_PREFIX_BYTES + sizeof("ledger_seq") - 1);
	digits_patch(p, LEDGER_SEQ_DIGITS, 0);
	p += LEDGER_SEQ_DIGITS;
	p = header_label(p, VIEW_LITERAL("type"), "record");
	p = HEADER(p, "appliance", e->appliance);
	p = header_u64(p, VIEW_LITERAL("appliance_epoch"), e->appliance_epoch);
	p = header_u64(p, VIEW_LITERAL("map"), e->partition_map);
	p = header_label(p, VIEW_LITERAL("clock"), clock_quality_label(e->clock));
	if (e->clock != CLOCK_UNKNOWN)
		p = header_u64(p, VIEW_LITERAL("clock_error_us"), e->clock_error_us);
	p = header_label(p, VIEW_LITERAL("ack"), ack_contract_label(ack));
	p = header_label(p, VIEW_LITERAL("transport"), transport_label(m->transport));
	p = header_u64(p, VIEW_LITERAL("realm"), m->realm);
	p = header_i64(p, VIEW_LITERAL("arrival_ns"), m->rx_wall_ns);
	h->len = (uint32_t)(p - h->text);
	return h;
}

static uint8_t *identity(uint8_t *p, const struct item *it, const struct record *rec) {
	uint64_t seq = rec->reading->has_seq ? rec->reading->seq : it->m.seq;

	p = HEADER(p, "device", rec->device);
	p = header_u64(p, VIEW_LITERAL("epoch"), it->m.epoch);
	p = header_u64(p, VIEW_LITERAL("seq"), seq);
	if (rec->n == 0 && it->record_count == 1) {
		p = JSON_LITERAL(p, "\0\1\0\0\0\1n0\0\2\0\0\0\1of1");
	} else {
		p = header_u64(p, VIEW_LITERAL("n"), rec->n);
		p = header_u64(p, VIEW_LITERAL("of"), it->record_count);
	}
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

static uint8_t *flags(uint8_t *p, const struct message *m) {
	if (m->proven)
		return header_label(
			p, VIEW_LITERAL("flags"), m->retained ? "proven,retained" : "proven"
		);
	return m->retained ? HEADER(p, "flags", VIEW_LITERAL("retained"))
			   : HEADER(p, "flags", VIEW_LITERAL(""));
}

static uint8_t *texts(uint8_t *p, const struct message *m) {
	p = header_label(p, VIEW_LITERAL("format"), payload_format_label(m->format));
	if (m->path.len > 0)
		p = HEADER(p, "path", m->path);
	if (m->content_type.len > 0)
		p = HEADER(p, "content_type", m->content_type);
	p = flags(p, m);
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
	struct envelope *e,
	const struct item *it,
	const struct record *rec,
	uint8_t *buf,
	struct batch_entry *entry
) {
	const struct envelope_head *h = head(e, &it->m);
	uint8_t *at = buf + entry->offset;
	uint8_t *p = json_raw(at, h->text, h->len);

	entry->seq_at = entry->offset + SEQ_AT;
	p = identity(p, it, rec);
	p = schema(p, it->m.profile);
	p = texts(p, &it->m);
	entry->headers_offset = entry->offset;
	entry->headers_len = (uint32_t)(p - at);
	entry->offset += entry->headers_len;
	entry->len = it->m.payload.len;
	memcpy(p, it->m.payload.p, it->m.payload.len);
}
