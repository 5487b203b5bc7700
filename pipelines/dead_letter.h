// SPDX-License-Identifier: Apache-2.0
// What could not become a record, or was refused by the sink for good, as one JSON object with the
// reason and the original bytes (docs/record.md). Hot path, pure.
#pragma once

#include "pipelines/burst.h"
#include "pipelines/envelope.h"
#include "pipelines/record.h"

struct dead_letter {
	enum transport transport;
	const char *reason; // label of a refuse_reason
	const char *detail; // label of a payload_rc, or ""
	const char *stage;
	const struct record *record; // whose findings are told; nullptr: none
	uint32_t signature; // that the message was refused for; 0: none
	const char *profile; // "" if unknown
	const char *format; // of the original; "record" for an encoded one
	struct view device; // empty if unknown
	struct view path;
	struct view peer;
	uint16_t peer_port;
	uint16_t realm;
	int64_t rx_wall_ns;
	uint64_t epoch;
	uint64_t seq;
	uint8_t replays;
	struct view original;
};

uint32_t dead_letter_bound(const struct dead_letter *d);
// Returns the length written.
uint32_t dead_letter_encode(const struct envelope *e, const struct dead_letter *d, uint8_t *at);
