// SPDX-License-Identifier: Apache-2.0
// Stage: a profile's operations on the fields of its records (config/step.h, docs/profiles.md).
//
// A record's fields are copied behind the last field of the burst and rewritten there; what the
// decoder wrote stays as it is. Decode has made sure that there is room for all of it with
// map_room(), so that mapping cannot fail half-way, and the same message has the same result in
// whatever burst it comes. Thread: the worker's own.
#pragma once

#include "pipelines/authorize.h"
#include "pipelines/burst.h"

// What mapping the item's records may need, beyond what the decoder wrote.
struct map_room {
	uint32_t fields;
	uint32_t text;
};
struct map_room map_room(const struct burst *b, const struct item *it);

// Items of [from, to) whose profiles have steps. The authority (nullptr: none) says what the
// registry knows of a record's device, and is asked only if a step wants it.
void map_burst(struct burst *b, uint16_t from, uint16_t to, const struct authority *a);
