// SPDX-License-Identifier: Apache-2.0
// A dead letter as the topic holds it (docs/record.md), taken apart. Whatever stands in the topic
// is input: a message that is no dead letter of ours is told so, never trusted.
// Thread: the letters thread.
#pragma once

#include "dataplane/letters/lane.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <yyjson.h>

// Texts point into `doc` and are "" where the letter has none.
struct letter {
	yyjson_doc *doc; // owned
	const char *reason, *detail, *stage, *transport, *profile, *device, *path, *peer, *format;
	struct view original; // base64
	int64_t arrival_ns;
	uint64_t epoch, seq;
	uint16_t realm, peer_port;
	uint8_t replays;
};

// False if it is none; *l then needs no letter_free().
bool letter_parse(struct view value, struct letter *l);
void letter_free(struct letter *l);

// What the pipeline needs of it. nullptr, or why it cannot go through again.
const char *letter_to_slot(const struct letter *l, struct letter_slot *s);
