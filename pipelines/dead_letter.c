// SPDX-License-Identifier: Apache-2.0
#include "parsers/utf8.h"
#include "pipelines/dead_letter.h"
#include "pipelines/decode.h"
#include "pipelines/findings_json.h"
#include "pipelines/json_writer.h"

#include <string.h>

// Keys, punctuation, labels, the peer and the numbers.
#define FIXED_BYTES 768

uint32_t dead_letter_bound(const struct dead_letter *d) {
	return FIXED_BYTES + ENVELOPE_PREFIX_MAX + json_string_bound(d->device.len)
		+ json_string_bound(d->path.len) + base64_bytes(d->original.len)
		+ (d->record != nullptr ? findings_json_bound(d->record) : 0);
}

static uint8_t *label(uint8_t *p, const char *s) {
	return json_string(p, view_of(s, (uint32_t)strlen(s)));
}

// Bad text is one of the reasons to be here: what is no UTF-8 is left out, the original has it.
static uint8_t *where(uint8_t *p, const struct dead_letter *d) {
	uint8_t address[ADDRESS_TEXT_MAX];

	if (d->device.len > 0 && utf8_valid(d->device)) {
		p = JSON_LITERAL(p, ",\"device\":");
		p = json_string(p, d->device);
	}
	if (d->path.len > 0 && utf8_valid(d->path)) {
		p = JSON_LITERAL(p, ",\"path\":");
		p = json_string(p, d->path);
	}
	uint32_t len = address_text(d->peer, address);
	if (len > 0) {
		p = JSON_LITERAL(p, ",\"peer\":");
		p = json_string(p, view_of(address, len));
		p = JSON_LITERAL(p, ",\"peer_port\":");
		p = json_u64(p, d->peer_port);
	}
	return p;
}

uint32_t dead_letter_encode(const struct envelope *e, const struct dead_letter *d, uint8_t *at) {
	const struct envelope_prefix *prefix = &e->dead_letter[d->transport];
	uint8_t *p = json_raw(at, prefix->text, prefix->len);

	p = json_u64(p, d->realm);
	p = JSON_LITERAL(p, ",\"reason\":");
	p = label(p, d->reason);
	if (d->detail[0] != '\0') {
		p = JSON_LITERAL(p, ",\"detail\":");
		p = label(p, d->detail);
	}
	if (d->signature != 0) {
		p = JSON_LITERAL(p, ",\"signature\":");
		p = json_u64(p, d->signature);
	}
	p = JSON_LITERAL(p, ",\"stage\":");
	p = label(p, d->stage);
	if (d->profile[0] != '\0') {
		p = JSON_LITERAL(p, ",\"profile\":");
		p = label(p, d->profile);
	}
	p = JSON_LITERAL(p, ",\"arrival_ns\":");
	p = json_i64(p, d->rx_wall_ns);
	p = JSON_LITERAL(p, ",\"epoch\":");
	p = json_u64(p, d->epoch);
	p = JSON_LITERAL(p, ",\"seq\":");
	p = json_u64(p, d->seq);
	if (d->replays > 0) {
		p = JSON_LITERAL(p, ",\"replays\":");
		p = json_u64(p, d->replays);
	}
	p = where(p, d);
	if (d->record != nullptr)
		p = findings_json(p, d->record);
	p = JSON_LITERAL(p, ",\"format\":");
	p = label(p, d->format);
	p = JSON_LITERAL(p, ",\"original\":\"");
	p = json_base64(p, d->original);
	p = JSON_LITERAL(p, "\"}");
	return (uint32_t)(p - at);
}
