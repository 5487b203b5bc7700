// SPDX-License-Identifier: Apache-2.0
// The memory of the device states, reserved before any worker starts.
#include "config/config.h"
#include "pipelines/device_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

// Places per device asked for, in 1/128: with two choices of 16 places each, 97 % of all places are
// taken before the first device finds none.
#define PLACES_PER_128 132

#define PLACES_MAX (1u << 30)

static void *reserve(struct device_states *s, size_t bytes) {
	void *p =
		mmap(NULL,
		     bytes,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);

	if (p == MAP_FAILED)
		return NULL;
	// Devices lie at random: without huge pages each is a miss of the TLB.
	(void)madvise(p, bytes, MADV_HUGEPAGE);
	s->bytes += bytes;
	return p;
}

static void layout(struct device_states *s) {
	uint32_t at =
		sizeof(struct device_head) + s->entries * (uint32_t)sizeof(struct dedup_entry);

	s->fields_at = at;
	at += s->fields * (uint32_t)sizeof(struct field_state);
	s->decisions_at = at;
	at += DEVICE_DECISIONS * DEVICE_DECISION_BYTES;
	s->slot_bytes = (at + 63) & ~63u;
}

// Homes are chosen by hash as well, so none gets exactly its share: three standard deviations more.
static uint64_t share_of(uint64_t places, uint16_t homes) {
	uint64_t share = places / homes, root = 0;

	if (homes == 1)
		return places;
	while (root * root < share)
		root++;
	return share + 3 * root;
}

int device_states_create(
	uint32_t devices,
	uint16_t homes,
	uint16_t entries,
	uint16_t fields,
	const uint64_t secret[2],
	struct device_states **out
) {
	uint64_t places = ((uint64_t)devices * PLACES_PER_128 + 127) / 128;
	struct device_states *s;

	if (devices == 0 || homes == 0 || homes > DEVICE_HOMES_MAX || places > PLACES_MAX
	    || entries > DEVICE_ENTRIES_MAX)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->secret[0] = secret[0];
	s->secret[1] = secret[1];
	s->homes = homes;
	s->entries = entries;
	s->fields = fields;
	layout(s);
	uint64_t share = share_of(places, homes);
	s->sets = (uint32_t)(share / DEVICE_WAYS) + 1;
	places = (uint64_t)s->sets * homes * DEVICE_WAYS;
	s->words_bytes = places * sizeof(*s->words);
	s->slots_bytes = places * s->slot_bytes;
	s->words = reserve(s, s->words_bytes);
	s->slots = reserve(s, s->slots_bytes);
	s->notes = reserve(s, places * sizeof(*s->notes));
	if (s->words == NULL || s->slots == NULL || s->notes == NULL) {
		device_states_destroy(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

int device_states_configure(
	const struct config *c,
	uint16_t homes,
	const uint64_t secret[2],
	struct device_states **out
) {
	*out = NULL;
	if (c->pipeline.devices == 0)
		return 0;
	return device_states_create(
		c->pipeline.devices,
		homes,
		(uint16_t)c->pipeline.dedup_entries,
		(uint16_t)c->pipeline.field_states,
		secret,
		out
	);
}

void device_states_destroy(struct device_states *s) {
	if (s == NULL)
		return;
	if (s->words != NULL)
		munmap((void *)s->words, s->words_bytes);
	if (s->slots != NULL)
		munmap(s->slots, s->slots_bytes);
	if (s->notes != NULL)
		munmap(s->notes, s->words_bytes / sizeof(*s->words) * sizeof(*s->notes));
	free(s);
}
