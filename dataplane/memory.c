// SPDX-License-Identifier: Apache-2.0
#include "dataplane/memory.h"

static const struct {
	const char *label;
	enum memory_scale scale;
} parts[MEMORY_PART_COUNT] = {
#define X(id, label, scale) [id] = {label, scale},
	MEMORY_PARTS(X)
#undef X
};

const char *memory_part_label(enum memory_part p) {
	return parts[p].label;
}

enum memory_scale memory_part_scale(enum memory_part p) {
	return parts[p].scale;
}

const char *memory_scale_label(enum memory_scale s) {
	static const char *const labels[] = {
#define X(id, label) [id] = label,
		MEMORY_SCALES(X)
#undef X
	};
	return labels[s];
}

uint64_t memory_used(const struct memory_use *u) {
	if (u->capacity == 0)
		return 0;
	return (uint64_t)((double)u->reserved * (double)u->used / (double)u->capacity + 0.5);
}

void memory_add(struct memory_account *sum, const struct memory_account *a) {
	for (unsigned p = 0; p < MEMORY_PART_COUNT; p++) {
		sum->part[p].reserved += a->part[p].reserved;
		sum->part[p].capacity += a->part[p].capacity;
		sum->part[p].used += a->part[p].used;
	}
}

uint64_t memory_reserved(const struct memory_account *a) {
	uint64_t bytes = 0;

	for (unsigned p = 0; p < MEMORY_PART_COUNT; p++)
		bytes += a->part[p].reserved;
	return bytes;
}

uint32_t memory_idle_bytes(const struct memory_account *a) {
	double bytes = 0;

	for (enum memory_part p = 0; p < MEMORY_PART_COUNT; p++) {
		const struct memory_use *u = &a->part[p];
		bool each = parts[p].scale == MEMORY_PER_CONNECTION
			|| parts[p].scale == MEMORY_PER_SESSION;
		if (each && u->capacity > 0)
			bytes += (double)u->reserved / (double)u->capacity;
	}
	uint32_t whole = (uint32_t)bytes;
	return whole < bytes ? whole + 1 : whole;
}
