// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/park.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int park_init(struct park *p) {
	*p = (struct park) {.arena = calloc(1, PARK_ARENA_BYTES)};
	return p->arena != nullptr ? 0 : -ENOMEM;
}

void park_fini(struct park *p) {
	if (p->arena != nullptr)
		explicit_bzero(p->arena, p->touched);
	free(p->arena);
	*p = (struct park) {0};
}

static struct parked *at(const struct park *p, uint32_t offset) {
	return (void *)(p->arena + offset);
}

// What is left at the end of the arena has no room for a struct, but always for its size and state.
static bool make_room(struct park *p, uint32_t size) {
	if (p->used == 0)
		p->head = p->tail = 0;
	if (p->used == PARK_ARENA_BYTES)
		return false;
	if (p->head < p->tail)
		return size <= p->tail - p->head;
	uint32_t to_end = PARK_ARENA_BYTES - p->head;
	if (size <= to_end)
		return true;
	if (size > p->tail)
		return false;
	at(p, p->head)->size = to_end;
	at(p, p->head)->state = PARK_FREE;
	p->used += to_end;
	p->count++;
	p->head = 0;
	return true;
}

static struct parked *take(struct park *p, uint32_t size) {
	if (!make_room(p, size))
		return nullptr;
	struct parked *s = at(p, p->head);
	uint32_t end = p->head + size;

	p->touched = end > p->touched ? end : p->touched;
	p->head = end % PARK_ARENA_BYTES;
	p->used += size;
	p->count++;
	return s;
}

static struct view moved(struct view v, const uint8_t *from, const uint8_t *to) {
	return view_of(to + (v.p - from), v.len);
}

bool park_add(
	struct park *p,
	const struct datagram *d,
	const struct frame *f,
	struct frame_device *dev
) {
	uint32_t size = (uint32_t)(sizeof(struct parked) + d->len + 15) & ~15u;
	struct parked *s = take(p, size);

	if (s == nullptr)
		return false;
	s->size = size;
	s->state = PARK_WAITING;
	memcpy(s->bytes, d->bytes, d->len);
	s->key = *d->key;
	s->d = *d;
	s->d.bytes = s->bytes;
	s->d.key = &s->key;
	s->frame = *f;
	s->frame.device = moved(f->device, d->bytes, s->bytes);
	s->frame.payload = moved(f->payload, d->bytes, s->bytes);
	s->dev = dev;
	return true;
}

struct parked *park_next(struct park *p, const struct parked *k) {
	uint32_t offset = p->tail;

	if (k == nullptr)
		return p->used > 0 ? at(p, offset) : nullptr;
	offset = ((uint32_t)((const uint8_t *)k - p->arena) + k->size) % PARK_ARENA_BYTES;
	return offset != p->head ? at(p, offset) : nullptr;
}

void park_release(struct park *p) {
	while (p->used > 0 && at(p, p->tail)->state == PARK_FREE) {
		uint32_t size = at(p, p->tail)->size;
		p->used -= size;
		p->tail = (p->tail + size) % PARK_ARENA_BYTES;
		p->count--;
	}
}
