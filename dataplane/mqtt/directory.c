// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/directory.h"
#include "dataplane/pages.h"

#include <errno.h>
#include <stddef.h>

static_assert(sizeof(uint64_t) + 2 * sizeof(uint32_t) + sizeof(uint16_t) == MQTT_DIRECTORY_ENTRY);

static size_t bytes_of(const struct mqtt_directory *d) {
	return (size_t)d->capacity * MQTT_DIRECTORY_ENTRY;
}

int mqtt_directory_init(struct mqtt_directory *d, uint32_t entries, bool resident) {
	uint32_t capacity = entries + entries / 3 + 16;

	*d = (struct mqtt_directory) {.capacity = capacity, .limit = entries};
	d->pages = pages_map(bytes_of(d), "sluice mqtt directory", resident);
	if (d->pages == nullptr)
		return -ENOMEM;
	// A walk reads keys only, so they stand together.
	d->keys = d->pages;
	d->identities = (uint32_t *)(d->keys + capacity);
	d->slots = d->identities + capacity;
	d->tags = (uint16_t *)(d->slots + capacity);
	return 0;
}

void mqtt_directory_fini(struct mqtt_directory *d) {
	pages_unmap(d->pages, bytes_of(d));
	*d = (struct mqtt_directory) {0};
}

struct memory_use mqtt_directory_memory(const struct mqtt_directory *d) {
	return (struct memory_use) {bytes_of(d), d->limit, d->count};
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
