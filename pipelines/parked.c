// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/parked.h"

#include <string.h>

static struct parked *at(const struct parking *k, uint32_t offset) {
	return (void *)(k->arena + offset);
}

static bool make_room(struct parking *k, uint32_t size) {
	if (k->used == 0)
		k->head = k->tail = 0;
	if (k->used == k->bytes)
		return false;
	if (k->head < k->tail)
		return size <= k->tail - k->head;
	uint32_t to_end = k->bytes - k->head;
	if (size <= to_end)
		return true;
	if (size > k->tail)
		return false;
	// What is left at the end stays empty until it comes to its turn.
	at(k, k->head)->size = to_end;
	at(k, k->head)->gone = true;
	k->used += to_end;
	k->head = 0;
	return true;
}

static struct parked *take(struct parking *k, uint32_t size) {
	if (!make_room(k, size))
		return nullptr;
	struct parked *m = at(k, k->head);
	k->head = (k->head + size) % k->bytes;
	k->used += size;
	k->count++;
	return m;
}

static struct view copy(uint8_t **to, struct view v) {
	struct view out = view_of(*to, v.len);

	if (v.len > 0)
		memcpy(*to, v.p, v.len);
	*to += v.len;
	return out;
}

static uint32_t size_of(const struct message *m) {
	uint64_t n = sizeof(struct parked) + m->device.len + m->path.len + m->payload.len
		+ m->content_type.len + m->peer.len;

	for (uint16_t i = 0; i < m->property_count; i++)
		n += sizeof(struct property) + m->properties[i].name.len
			+ m->properties[i].value.len;
	n = (n + 15) & ~15ull;
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

const struct profile *parked_profile(const struct parked *m, const struct config *c) {
	if (m->profile < c->profile_count
	    && strcmp(c->profiles[m->profile].name, m->profile_name) == 0)
		return &c->profiles[m->profile];
	for (uint32_t i = 0; i < c->profile_count; i++)
		if (strcmp(c->profiles[i].name, m->profile_name) == 0)
			return &c->profiles[i];
	return nullptr;
}

struct parked *parked_store(struct parking *k, const struct item *it, const struct config *c) {
	const struct message *from = &it->m;
	uint32_t size = size_of(from);
	struct parked *m = size <= k->bytes ? take(k, size) : nullptr;

	if (m == nullptr)
		return nullptr;
	*m = (struct parked) {
		.size = size,
		.tries = it->tries,
		.registered = it->registered,
		.waited = it->waited,
		.profile = (uint16_t)(from->profile - c->profiles),
		.m = *from,
	};
	memcpy(m->profile_name, from->profile->name, sizeof(m->profile_name));
	struct property *properties = (void *)(m + 1);
	uint8_t *to = (void *)(properties + from->property_count);
	for (uint16_t i = 0; i < from->property_count; i++) {
		properties[i].name = copy(&to, from->properties[i].name);
		properties[i].value = copy(&to, from->properties[i].value);
	}
	m->m.properties = properties;
	m->m.device = copy(&to, from->device);
	m->m.path = copy(&to, from->path);
	m->m.payload = copy(&to, from->payload);
	m->m.content_type = copy(&to, from->content_type);
	m->m.peer = copy(&to, from->peer);
	return m;
}

void parked_free(struct parking *k, struct parked *m) {
	m->gone = true;
	k->count--;
	while (k->used > 0 && at(k, k->tail)->gone) {
		uint32_t size = at(k, k->tail)->size;
		k->used -= size;
		k->tail = (k->tail + size) % k->bytes;
	}
}
