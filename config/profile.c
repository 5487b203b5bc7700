// SPDX-License-Identifier: Apache-2.0
#include "config/profile.h"

#include <errno.h>
#include <string.h>

// FNV-1a, mixed. The names in the table are the operator's; a peer that chooses names which collide
// with them pays for its own lookups only, and a chain is at most half the table.
static uint32_t name_hash(struct view name) {
	uint32_t h = 2166136261u;

	for (uint32_t i = 0; i < name.len; i++)
		h = (h ^ name.p[i]) * 16777619u;
	return h ^ h >> 15;
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
