// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/pool.h"
#include "dataplane/pages.h"

#include <errno.h>

static uint32_t *link_of(const struct mqtt_pool *p, uint32_t index) {
	return mqtt_pool_at(p, index);
}

static size_t bytes_of(const struct mqtt_pool *p) {
	return (size_t)p->count * p->item;
}

int mqtt_pool_init(
	struct mqtt_pool *p,
	uint32_t count,
	uint32_t item,
	const char *name,
	bool resident
) {
	*p = (struct mqtt_pool) {.item = item, .count = count, .free = count, .first = MQTT_NONE};
	p->base = pages_map(bytes_of(p), name, resident);
	return p->base != nullptr ? 0 : -ENOMEM;
}

void mqtt_pool_fini(struct mqtt_pool *p) {
	pages_unmap(p->base, bytes_of(p));
	*p = (struct mqtt_pool) {0};
}

struct memory_use mqtt_pool_memory(const struct mqtt_pool *p) {
	return (struct memory_use) {bytes_of(p), p->count, p->count - p->free};
}

uint32_t mqtt_pool_take(struct mqtt_pool *p) {
	uint32_t index = p->first;

	if (index != MQTT_NONE)
		p->first = *link_of(p, index);
	else if (p->top < p->count)
		index = p->top++;
	else
		return MQTT_NONE;
	p->free--;
	memset(mqtt_pool_at(p, index), 0, p->item);
	return index;
}

void mqtt_pool_give(struct mqtt_pool *p, uint32_t index) {
	*link_of(p, index) = p->first;
	p->first = index;
	p->free++;
}

// The first chunk carries the length of the whole string.
struct chunk {
	uint32_t next;
	uint8_t bytes[];
};
#define FIRST_OFFSET 4

static struct chunk *chunk_at(const struct mqtt_chain *c, uint32_t index) {
	return mqtt_pool_at(&c->chunks, index);
}

static uint32_t chunk_room(const struct mqtt_chain *c) {
	return c->chunks.item - (uint32_t)sizeof(struct chunk);
}

int mqtt_chain_init(
	struct mqtt_chain *c,
	uint32_t chunks,
	uint32_t chunk_bytes,
	const char *name,
	bool resident
) {
	return mqtt_pool_init(&c->chunks, chunks, chunk_bytes, name, resident);
}

void mqtt_chain_fini(struct mqtt_chain *c) {
	mqtt_pool_fini(&c->chunks);
}

uint32_t mqtt_chain_len(const struct mqtt_chain *c, uint32_t handle) {
	uint32_t len;

	memcpy(&len, chunk_at(c, handle)->bytes, sizeof(len));
	return len;
}

uint32_t mqtt_chain_tail(const struct mqtt_chain *c, uint32_t handle) {
	while (chunk_at(c, handle)->next != MQTT_NONE)
		handle = chunk_at(c, handle)->next;
	return handle;
}

static void len_set(struct mqtt_chain *c, uint32_t handle, uint32_t len) {
	memcpy(chunk_at(c, handle)->bytes, &len, sizeof(len));
}

static uint32_t chunks_for(const struct mqtt_chain *c, uint64_t len) {
	return (uint32_t)((len + FIRST_OFFSET + chunk_room(c) - 1) / chunk_room(c));
}

uint64_t mqtt_chain_cost(const struct mqtt_chain *c, uint32_t len) {
	return (uint64_t)chunks_for(c, len) * c->chunks.item;
}

uint64_t mqtt_chain_free(const struct mqtt_chain *c) {
	return (uint64_t)c->chunks.free * c->chunks.item;
}

bool mqtt_chain_extend(struct mqtt_chain *c, uint32_t handle, uint32_t *tail, struct view bytes) {
	uint32_t len = mqtt_chain_len(c, handle);
	uint32_t room = chunk_room(c);
	uint32_t used = (len + FIRST_OFFSET) % room;

	if (used == 0)
		used = room;
	if (chunks_for(c, (uint64_t)len + bytes.len) - chunks_for(c, len) > c->chunks.free)
		return false;
	len_set(c, handle, len + bytes.len);
	while (bytes.len > 0) {
		if (used == room) {
			uint32_t next = mqtt_pool_take(&c->chunks);
			chunk_at(c, next)->next = MQTT_NONE;
			chunk_at(c, *tail)->next = next;
			*tail = next;
			used = 0;
		}
		uint32_t n = bytes.len < room - used ? bytes.len : room - used;
		memcpy(chunk_at(c, *tail)->bytes + used, bytes.p, n);
		bytes = view_of(bytes.p + n, bytes.len - n);
		used += n;
	}
	return true;
}

uint32_t mqtt_chain_store(struct mqtt_chain *c, const struct view *parts, unsigned n) {
	uint64_t total = 0;

	for (unsigned i = 0; i < n; i++)
		total += parts[i].len;
	if (chunks_for(c, total) > c->chunks.free)
		return MQTT_NONE;
	uint32_t handle = mqtt_pool_take(&c->chunks);
	uint32_t tail = handle;
	chunk_at(c, handle)->next = MQTT_NONE;
	len_set(c, handle, 0);
	for (unsigned i = 0; i < n; i++)
		mqtt_chain_extend(c, handle, &tail, parts[i]);
	return handle;
}

void mqtt_chain_load(const struct mqtt_chain *c, uint32_t handle, uint8_t *out) {
	uint32_t left = mqtt_chain_len(c, handle);
	uint32_t offset = FIRST_OFFSET;

	for (uint32_t at = handle; left > 0; at = chunk_at(c, at)->next) {
		uint32_t room = chunk_room(c) - offset;
		uint32_t n = left < room ? left : room;
		memcpy(out, chunk_at(c, at)->bytes + offset, n);
		out += n;
		left -= n;
		offset = 0;
	}
}

void mqtt_chain_drop(struct mqtt_chain *c, uint32_t handle) {
	while (handle != MQTT_NONE) {
		uint32_t next = chunk_at(c, handle)->next;
		mqtt_pool_give(&c->chunks, handle);
		handle = next;
	}
}
