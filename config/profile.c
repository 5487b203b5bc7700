// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"

#include <errno.h>
#include <string.h>

static uint64_t bytes8(const uint8_t *p) {
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

static uint64_t bytes4(const uint8_t *p) {
	uint32_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

// Eight bytes a step; what is left over may be read twice. The names in the table are the
// operator's; a peer that chooses names which collide with them pays for its own lookups only, and
// a chain is at most half the table.
static uint32_t name_hash(struct view name) {
	const uint64_t odd = 0x9e3779b97f4a7c15;
	const uint8_t *p = name.p;
	uint64_t h = name.len * odd, last = 0;
	uint32_t n = name.len;

	for (; n >= 8; n -= 8, p += 8) {
		h = (h ^ bytes8(p)) * odd;
		h ^= h >> 32;
	}
	if (n >= 4)
		last = bytes4(p) | bytes4(p + n - 4) << 32;
	else if (n > 0)
		last = p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16;
	h = (h ^ last) * odd;
	return (uint32_t)(h >> 32 ^ h);
}

const struct profile_field *profile_field_find(const struct profile *p, struct view name) {
	if (p->field_count == 0)
		return nullptr;
	for (uint32_t at = name_hash(name);; at++) {
		uint16_t n = p->index[at & p->index_mask];
		if (n == 0)
			return nullptr;
		if (view_equal(p->fields[n - 1].name, name))
			return &p->fields[n - 1];
	}
}

uint32_t profile_index_size(uint32_t field_count) {
	uint32_t size = 4;

	while (size < 2 * field_count)
		size *= 2;
	return size;
}

static bool keeps_state(const struct profile_field *f) {
	return f->rate_max > 0 || f->stuck_after_s > 0 || f->alert.above || f->alert.below
		|| f->alert.unusual;
}

int profile_compile(struct profile *p) {
	uint8_t states = 0;

	p->index_mask = profile_index_size(p->field_count) - 1;
	memset(p->index, 0, (p->index_mask + 1) * sizeof(*p->index));
	p->required_count = 0;
	p->state_print = 2166136261u;
	for (uint32_t i = 0; i < p->field_count; i++) {
		struct profile_field *f = &p->fields[i];
		uint32_t at = name_hash(f->name);
		for (; p->index[at & p->index_mask] != 0; at++)
			if (view_equal(p->fields[p->index[at & p->index_mask] - 1].name, f->name))
				return -EEXIST;
		p->index[at & p->index_mask] = (uint16_t)(i + 1);
		if (f->required)
			p->required[p->required_count++] = (uint16_t)i;
		f->state = PROFILE_STATE_NONE;
		if (!keeps_state(f))
			continue;
		if (states == PROFILE_STATES_MAX)
			return -E2BIG;
		f->state = states++;
		p->state_print = (p->state_print ^ name_hash(f->name)) * 16777619u;
	}
	p->state_count = states;
	return 0;
}
