// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/directory.h"

#include <errno.h>
#include <stdlib.h>

int mqtt_directory_init(struct mqtt_directory *d, uint32_t entries) {
	uint32_t capacity = entries + entries / 3 + 16;

	*d = (struct mqtt_directory) {.capacity = capacity, .limit = entries};
	d->keys = calloc(capacity, sizeof(*d->keys));
	d->identities = calloc(capacity, sizeof(*d->identities));
	d->slots = calloc(capacity, sizeof(*d->slots));
	d->tags = calloc(capacity, sizeof(*d->tags));
	if (d->keys == nullptr || d->identities == nullptr || d->slots == nullptr
	    || d->tags == nullptr) {
		mqtt_directory_fini(d);
		return -ENOMEM;
	}
	return 0;
}

void mqtt_directory_fini(struct mqtt_directory *d) {
	free(d->keys);
	free(d->identities);
	free(d->slots);
	free(d->tags);
	*d = (struct mqtt_directory) {0};
}

static uint32_t home_of(const struct mqtt_directory *d, uint64_t key) {
	return (uint32_t)((uint64_t)(uint32_t)(key >> 32) * d->capacity >> 32);
}

static uint32_t after(const struct mqtt_directory *d, uint32_t at) {
	return at + 1 < d->capacity ? at + 1 : 0;
}

// The key's place, or the empty one where it would go. At most `limit` of the places are taken, so
// the walk ends.
static uint32_t find(const struct mqtt_directory *d, uint64_t key) {
	uint32_t at = home_of(d, key);

	while (d->keys[at] != 0 && d->keys[at] != key)
		at = after(d, at);
	return at;
}

static struct mqtt_holder holder_at(const struct mqtt_directory *d, uint32_t at) {
	return (struct mqtt_holder) {
		.slot = d->slots[at],
		.worker = (uint8_t)(d->tags[at] >> 8),
		.generation = (uint8_t)d->tags[at],
	};
}

static void holder_set(struct mqtt_directory *d, uint32_t at, struct mqtt_holder h) {
	d->slots[at] = h.slot;
	d->tags[at] = (uint16_t)(h.worker << 8 | h.generation);
}

enum mqtt_claim mqtt_directory_claim(
	struct mqtt_directory *d,
	uint64_t key,
	uint32_t identity,
	struct mqtt_holder claimant,
	struct mqtt_holder *previous
) {
	uint32_t at = find(d, key);

	if (d->keys[at] == 0) {
		if (d->count >= d->limit)
			return MQTT_CLAIM_FULL;
		d->keys[at] = key;
		d->identities[at] = identity;
		d->count++;
		holder_set(d, at, claimant);
		return MQTT_CLAIM_NEW;
	}
	if (d->identities[at] != identity)
		return MQTT_CLAIM_REFUSED;
	*previous = holder_at(d, at);
	holder_set(d, at, claimant);
	return MQTT_CLAIM_TAKEN;
}

// How far the entry at `at` stands from its home.
static uint32_t distance(const struct mqtt_directory *d, uint32_t at) {
	uint32_t home = home_of(d, d->keys[at]);

	return at >= home ? at - home : at + d->capacity - home;
}

// Close the hole so that no walk ends too early: pull back whatever stands past its home.
static void pull_back(struct mqtt_directory *d, uint32_t hole) {
	uint32_t gap = 1;

	for (uint32_t at = after(d, hole); d->keys[at] != 0; at = after(d, at), gap++) {
		if (distance(d, at) < gap)
			continue;
		d->keys[hole] = d->keys[at];
		d->identities[hole] = d->identities[at];
		d->slots[hole] = d->slots[at];
		d->tags[hole] = d->tags[at];
		hole = at;
		gap = 0;
	}
	d->keys[hole] = 0;
}

bool mqtt_directory_release(struct mqtt_directory *d, uint64_t key, struct mqtt_holder holder) {
	uint32_t at = find(d, key);

	if (d->keys[at] == 0 || !mqtt_holder_equal(holder_at(d, at), holder))
		return false;
	d->count--;
	pull_back(d, at);
	return true;
}
