// SPDX-License-Identifier: Apache-2.0
// Who holds which MQTT session: one shard of the directory on every worker.
//
// A session is (tenant, authenticated identity, client id). The key is a keyed hash of tenant and
// client id, without the identity: only so can another identity with the same client id be found,
// and refused. The shard on worker key % workers is the only one that decides about a key, so
// claims for it are in one order on all workers.
// Thread: the shard's worker.
#pragma once

#include "dataplane/mqtt/pool.h"

#include <stdbool.h>
#include <stdint.h>

struct mqtt_holder {
	uint32_t slot; // session index on its worker
	uint8_t worker;
	uint8_t generation; // of the slot: a late letter to an earlier tenant of it is recognised
};

static inline bool mqtt_holder_equal(struct mqtt_holder a, struct mqtt_holder b) {
	return a.slot == b.slot && a.worker == b.worker && a.generation == b.generation;
}

struct mqtt_directory {
	uint64_t *keys; // 0 = empty
	uint32_t *identities;
	uint32_t *slots;
	uint16_t *tags; // worker and generation
	void *pages; // all of these
	uint32_t capacity;
	uint32_t count;
	uint32_t limit;
};

// Bytes of one entry, for the budget per idle connection; a shard has a third more places than
// entries.
#define MQTT_DIRECTORY_ENTRY 18

// 0 or -ENOMEM; `resident` as for pages_map().
int mqtt_directory_init(struct mqtt_directory *d, uint32_t entries, bool resident);
struct memory_use mqtt_directory_memory(const struct mqtt_directory *d);
void mqtt_directory_fini(struct mqtt_directory *d);

enum mqtt_claim : uint8_t {
	MQTT_CLAIM_NEW, // nobody held it
	MQTT_CLAIM_TAKEN, // *previous held it and is to be asked for its state
	MQTT_CLAIM_REFUSED, // another identity holds it; nothing changed
	MQTT_CLAIM_FULL,
};

// `claimant` holds the key from now on, unless refused or full. The key is not 0.
enum mqtt_claim mqtt_directory_claim(
	struct mqtt_directory *d,
	uint64_t key,
	uint32_t identity,
	struct mqtt_holder claimant,
	struct mqtt_holder *previous
);

// Forget the key if `holder` still holds it.
bool mqtt_directory_release(struct mqtt_directory *d, uint64_t key, struct mqtt_holder holder);
