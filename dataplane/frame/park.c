// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/park.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int park_init(struct park *p) {
	*p = (struct park) {.slots = calloc(PARK_SLOTS, sizeof(*p->slots))};
	return p->slots != nullptr ? 0 : -ENOMEM;
}

void park_fini(struct park *p) {
	if (p->slots != nullptr)
		explicit_bzero(p->slots, PARK_SLOTS * sizeof(*p->slots));
	free(p->slots);
	*p = (struct park) {0};
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
	if (p->count == PARK_SLOTS || d->len > PARK_BYTES)
		return false;
	struct parked *s = park_at(p, p->count++);

	memcpy(s->bytes, d->bytes, d->len);
	s->key = *d->key;
	s->d = *d;
	s->d.bytes = s->bytes;
	s->d.key = &s->key;
	s->frame = *f;
	s->frame.device = moved(f->device, d->bytes, s->bytes);
	s->frame.payload = moved(f->payload, d->bytes, s->bytes);
	s->dev = dev;
	s->state = PARK_WAITING;
	return true;
}

void park_release(struct park *p) {
	while (p->count > 0 && park_at(p, 0)->state == PARK_FREE) {
		p->first = (p->first + 1) % PARK_SLOTS;
		p->count--;
	}
}
