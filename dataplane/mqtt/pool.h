// SPDX-License-Identifier: Apache-2.0
// Fixed memory for sessions: pools of equal items named by index, and byte strings kept in chains
// of such items. Everything is reserved by init; take and give are O(1) per item.
// Thread: one at a time, the worker's.
#pragma once

#include "dataplane/memory.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

#define MQTT_NONE UINT32_MAX

struct mqtt_pool {
	uint8_t *base; // owned
	uint32_t item; // bytes, at least 4
	uint32_t count;
	uint32_t free; // items left
	uint32_t first; // of the list of freed items: the last one freed, which the cache still has
	uint32_t top; // items from here on were never taken
};

// 0 or -ENOMEM. `name` and `resident` as for pages_map().
int mqtt_pool_init(
	struct mqtt_pool *p,
	uint32_t count,
	uint32_t item,
	const char *name,
	bool resident
);
void mqtt_pool_fini(struct mqtt_pool *p); // also of an all-zero pool
struct memory_use mqtt_pool_memory(const struct mqtt_pool *p);

// MQTT_NONE if the pool is empty. The item is zeroed.
uint32_t mqtt_pool_take(struct mqtt_pool *p);
void mqtt_pool_give(struct mqtt_pool *p, uint32_t index);

static inline void *mqtt_pool_at(const struct mqtt_pool *p, uint32_t index) {
	return p->base + (size_t)index * p->item;
}

// Byte strings of any length up to what the pool holds; the handle is the first chunk's index.
struct mqtt_chain {
	struct mqtt_pool chunks;
};

int mqtt_chain_init(
	struct mqtt_chain *c,
	uint32_t chunks,
	uint32_t chunk_bytes,
	const char *name,
	bool resident
);
void mqtt_chain_fini(struct mqtt_chain *c);

// Keep the parts as one string. MQTT_NONE, and nothing taken, if there is no room.
uint32_t mqtt_chain_store(struct mqtt_chain *c, const struct view *parts, unsigned n);
// Add to a string; *tail is its last chunk, or the handle itself for one that has just been stored
// from nothing. False, and nothing added, if there is no room.
bool mqtt_chain_extend(struct mqtt_chain *c, uint32_t handle, uint32_t *tail, struct view bytes);
uint32_t mqtt_chain_tail(const struct mqtt_chain *c, uint32_t handle); // walks the chain
uint32_t mqtt_chain_len(const struct mqtt_chain *c, uint32_t handle);
// `out` has room for mqtt_chain_len() bytes.
void mqtt_chain_load(const struct mqtt_chain *c, uint32_t handle, uint8_t *out);
void mqtt_chain_drop(struct mqtt_chain *c, uint32_t handle);
// Bytes that a string of this length takes from the pool.
uint64_t mqtt_chain_cost(const struct mqtt_chain *c, uint32_t len);
uint64_t mqtt_chain_free(const struct mqtt_chain *c);
