// SPDX-License-Identifier: Apache-2.0
// Messages copied with all their views point to, in a ring of bytes: taken in order of arrival,
// given back in any order. Room is free again when everything before it has been given back.
// Thread: the worker's own; what is stored may be read by another one until it is given back.
#pragma once

#include "config/profile.h"
#include "pipelines/burst.h"

#include <stdalign.h>

struct config;

struct parked {
	alignas(16) uint32_t size; // of this, all included
	bool gone;
	uint8_t tries; // how often it has been parked
	bool registered;
	bool waited;
	uint16_t late; // records of it that are late, in the late lane
	uint16_t profile; // its index in the generation in which it was parked
	char profile_name[PROFILE_NAME_MAX];
	struct parked *next;
	struct message m; // views point behind this; its profile: see parked_profile()
};

struct parking {
	uint8_t *arena; // owned
	uint32_t bytes;
	uint32_t head, tail, used;
	uint32_t count;
};

int parking_init(struct parking *k, uint32_t bytes); // 0 or -ENOMEM
void parking_fini(struct parking *k);

// nullptr: no room.
struct parked *parked_store(struct parking *k, const struct item *it, const struct config *c);
// The profile in generation `c`, which may be another than the one it was parked in and another
// than its worker's; nullptr: there is none of that name any more.
const struct profile *parked_profile(const struct parked *m, const struct config *c);
void parked_free(struct parking *k, struct parked *m);
