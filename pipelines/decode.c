// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "parsers/utf8.h"
#include "pipelines/claim.h"
#include "pipelines/decode.h"
#include "pipelines/map.h"

#include <string.h>

#define STAGE "decode"

static uint32_t decimal(uint8_t *p, uint32_t v) {
	uint32_t n = v >= 100 ? 3 : v >= 10 ? 2 : 1;

	for (uint32_t i = n; i-- > 0; v /= 10)
		p[i] = (uint8_t)('0' + v % 10);
	return n;
}

static uint32_t address4_text(const uint8_t *a, uint8_t *out) {
	uint32_t n = 0;

	for (uint32_t i = 0; i < 4; i++) {
		if (i > 0)
			out[n++] = '.';
		n += decimal(out + n, a[i]);
	}
	return n;
}

static uint32_t hex_group(uint8_t *p, uint32_t v) {
	uint32_t n = v >= 0x1000 ? 4 : v >= 0x100 ? 3 : v >= 0x10 ? 2 : 1;

	for (uint32_t i = n; i-- > 0; v >>= 4)
		p[i] = (uint8_t)"0123456789abcdef"[v & 15];
	return n;
}

// RFC 5952: the longest run of at least two zero groups, the first of equals, becomes "::".
static uint32_t address6_text(const uint8_t *a, uint8_t *out) {
	uint32_t best = 8;
	uint32_t best_len = 1;
	uint32_t n = 0;

	for (uint32_t i = 0; i < 8; i++) {
		uint32_t len = 0;
		while (i + len < 8 && a[2 * (i + len)] == 0 && a[2 * (i + len) + 1] == 0)
			len++;
		if (len > best_len) {
			best = i;
			best_len = len;
		}
	}
	for (uint32_t i = 0; i < 8; i++) {
		if (i == best) {
			out[n++] = ':';
			out[n++] = ':';
			i += best_len - 1;
			continue;
		}
		if (n > 0 && out[n - 1] != ':')
			out[n++] = ':';
		n += hex_group(out + n, (uint32_t)a[2 * i] << 8 | a[2 * i + 1]);
	}
	return n;
}

uint32_t address_text(struct view address, uint8_t out[ADDRESS_TEXT_MAX]) {
	if (address.len == 4)
		return address4_text(address.p, out);
	if (address.len == 16)
		return address6_text(address.p, out);
	return 0;
}

struct view path_segment(struct view path, uint32_t n) {
	const uint8_t *p = path.p;
	uint32_t left = path.len;

	if (left > 0 && *p == '/') {
		p++;
		left--;
	}
	for (;; n--) {
		const uint8_t *slash = left > 0 ? memchr(p, '/', left) : nullptr;
		uint32_t len = slash != nullptr ? (uint32_t)(slash - p) : left;
		if (n == 0)
			return view_of(p, len);
		if (slash == nullptr)
			return (struct view) {0};
		p += len + 1;
		left -= len + 1;
	}
}

// What the envelope carries as text must be text.
static bool texts_valid(const struct message *m) {
	if ((m->path.len > 0 && !utf8_valid(m->path))
	    || (m->content_type.len > 0 && !utf8_valid(m->content_type)))
		return false;
	for (uint32_t i = 0; i < m->property_count; i++)
		if (!utf8_valid(m->properties[i].name) || !utf8_valid(m->properties[i].value))
			return false;
	return true;
}

// The device as path or address name it, the same for every record of the message; empty if the
// payload has to say.
static struct view message_claim(struct item *it) {
	const struct profile *profile = it->m.profile;

	switch (profile->device_from) {
	case DEVICE_FROM_PATH:
		return path_segment(it->m.path, profile->device_segment);
	case DEVICE_FROM_ADDRESS:
		return view_of(it->address, address_text(it->m.peer, it->address));
	default:
		return (struct view) {0};
	}
}

static bool claim_denied(struct item *it) {
	item_refuse(it, REFUSE_CLAIM, PAYLOAD_OK, STAGE);
	return false;
}

struct view message_device(struct item *it) {
	return it->m.device.len > 0 ? it->m.device : message_claim(it);
}

// An authenticated identity is the device; path and payload only claim. Whether they may claim
// another is the authorize stage's question.
static bool record_device(struct item *it, struct record *rec, struct view claim) {
	const struct message *m = &it->m;
	bool payload_names = m->profile->device_from == DEVICE_FROM_PAYLOAD;
	bool checked; // by the decoder, or made here

	if (payload_names)
		claim = rec->reading->device;
	else if (rec->reading->device.len > 0)
		rec->claimed = rec->reading->device;

	rec->device = claim.len > 0 ? claim : m->device;
	checked = claim.len > 0 && m->profile->device_from != DEVICE_FROM_PATH;
	if (rec->claimed.len > 0 && view_equal(rec->claimed, rec->device))
		rec->claimed = (struct view) {0};
	if (checked || device_id_valid(rec->device)) {
		struct view sender = m->device.len > 0 ? m->device : rec->device;
		return claim_path(m->profile, sender, m->path) || claim_denied(it);
	}
	item_refuse(
		it,
		REFUSE_NO_DEVICE,
		rec->device.len == 0 ? PAYLOAD_NO_DEVICE : PAYLOAD_BAD_DEVICE,
		STAGE
	);
	return false;
}

// The original-bytes encoding carries the whole payload with each record: one per device, not one
// per reading.
static bool said_already(const struct item *it, const struct record *rec, uint16_t n) {
	return n > 0 && it->m.profile->route->encoding == ENCODING_ORIGINAL
		&& view_equal(rec[-1].device, rec->device);
}

static void make_records(struct burst *b, struct item *it, uint16_t first_reading) {
	struct view claim = message_claim(it);

	it->first_record = b->record_count;
	it->record_count = 0;
	for (uint16_t i = first_reading; i < b->readings.reading_count; i++) {
		struct record *rec = &b->records[b->record_count];
		rec->reading = &b->readings.readings[i];
		rec->claimed = (struct view) {0};
		rec->state = STATE_NONE;
		rec->registered = false;
		rec->late = false;
		rec->live = true;
		rec->findings = 0;
		rec->found_count = 0;
		rec->quarantine = FINDING_NONE;
		rec->first_field = rec->reading->first_field;
		rec->field_count = rec->reading->field_count;
		rec->n = it->record_count;
		if (!record_device(it, rec, claim)) {
			b->record_count = it->first_record;
			it->record_count = 0; // their places belong to the next item
			return;
		}
		if (said_already(it, rec, it->record_count))
			continue;
		b->record_count++;
		it->record_count++;
	}
}

// What the burst held before an item was decoded.
struct before {
	struct readings_mark readings;
	uint16_t records;
};

static struct before before_item(const struct burst *b) {
	return (struct before) {
		.readings = readings_marked(&b->readings),
		.records = b->record_count,
	};
}

static void back_to(struct burst *b, struct item *it, struct before was) {
	readings_back(&b->readings, was.readings);
	b->record_count = was.records;
	it->record_count = 0;
}

// Returns false if map could not write what it may have to for this item behind that of the items
// before it. Nothing at all before it: the message is too large for good.
static bool reserve(struct burst *b, struct item *it, struct before was) {
	struct map_room room = map_room(b, it);
	uint32_t fields = b->readings.field_count + b->reserved_fields + room.fields;
	uint32_t text = b->readings.text_used + b->reserved_text + room.text;

	if (fields <= FIELDS_MAX && text <= PAYLOAD_TEXT_MAX) {
		b->reserved_fields += (uint16_t)room.fields;
		b->reserved_text += room.text;
		return true;
	}
	back_to(b, it, was);
	if (was.readings.readings > 0)
		return false;
	item_refuse(
		it,
		REFUSE_TOO_LARGE,
		fields > FIELDS_MAX ? PAYLOAD_TOO_MANY : PAYLOAD_TOO_LARGE,
		"map"
	);
	return true;
}

// Returns false if the item does not fit what is left of the burst.
static bool decode_item(struct payload_decoder *d, struct burst *b, struct item *it) {
	struct payload_hints hints = it->m.profile->hints;
	struct before was = before_item(b);

	if (!texts_valid(&it->m)) {
		item_refuse(it, REFUSE_MALFORMED, PAYLOAD_BAD_UTF8, STAGE);
		return true;
	}
	hints.now_ns = it->m.rx_wall_ns;
	enum payload_rc rc = payload_decode(d, it->m.format, it->m.payload, &hints, &b->readings);
	if (rc == PAYLOAD_OK) {
		make_records(b, it, was.readings.readings);
		return it->state != ITEM_GOING || reserve(b, it, was);
	}
	if (was.readings.readings > 0 && (rc == PAYLOAD_TOO_MANY || rc == PAYLOAD_TOO_LARGE))
		return false;
	item_refuse(it, REFUSE_MALFORMED, rc, STAGE);
	return true;
}

uint16_t decode_burst(struct payload_decoder *d, struct burst *b, uint16_t from) {
	uint16_t i = from;

	readings_reset(&b->readings);
	b->record_count = 0;
	b->reserved_fields = 0;
	b->reserved_text = 0;
	for (; i < b->item_count; i++) {
		struct item *it = &b->items[i];
		if (it->state == ITEM_GOING && !decode_item(d, b, it))
			break;
	}
	return i;
}
