// SPDX-License-Identifier: Apache-2.0
#include "dataplane/label_sets.h"
#include "dataplane/pages.h"
#include "parsers/utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t sets_bytes(const struct label_sets *s) {
	return (s->max + 1ull) * sizeof(s->sets[0]);
}

static size_t buckets_bytes(const struct label_sets *s) {
	return (s->bucket_mask + 1ull) * sizeof(s->buckets[0]);
}

static size_t free_bytes(const struct label_sets *s) {
	return s->max * sizeof(s->free[0]);
}

int label_sets_create(uint32_t max, struct label_sets **out) {
	struct label_sets *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->max = max;
	s->bucket_mask = 63;
	while (s->bucket_mask + 1 < max)
		s->bucket_mask = 2 * s->bucket_mask + 1;
	s->sets = pages_reserve(sets_bytes(s), false);
	s->buckets = pages_reserve(buckets_bytes(s), false);
	s->free = pages_reserve(free_bytes(s), false);
	if (s->sets == NULL || s->buckets == NULL || s->free == NULL) {
		label_sets_destroy(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

static struct label_set *set_of(const struct label_sets *s, uint32_t set) {
	return atomic_load_explicit(&s->sets[set], memory_order_relaxed);
}

void label_sets_destroy(struct label_sets *s) {
	if (s == NULL)
		return;
	for (uint32_t i = 1; s->sets != NULL && i <= s->high; i++)
		free(set_of(s, i));
	pages_unmap((void *)s->sets, sets_bytes(s));
	pages_unmap(s->buckets, buckets_bytes(s));
	pages_unmap(s->free, free_bytes(s));
	free(s);
}

// --- numbers

static uint32_t *bucket_of(const struct label_sets *s, uint32_t number) {
	return &s->buckets[(number * 2654435761u >> 7) & s->bucket_mask];
}

uint32_t label_sets_find(const struct label_sets *s, uint32_t number) {
	for (uint32_t i = *bucket_of(s, number); i != 0; i = set_of(s, i)->next)
		if (set_of(s, i)->number == number)
			return i;
	return 0;
}

static void number_withdraw(struct label_sets *s, uint32_t set) {
	struct label_set *l = set_of(s, set);
	uint32_t *at = bucket_of(s, l->number);

	while (*at != set)
		at = &set_of(s, *at)->next;
	*at = l->next;
	l->number = 0;
	l->next = 0;
}

// Nobody can find it any more; a worker may still read it.
static void set_retire(struct label_sets *s, uint32_t set) {
	struct label_set *l = set_of(s, set);

	if (l->number != 0)
		number_withdraw(s, set);
	l->next = s->waiting;
	s->waiting = set;
	s->count--;
}

static uint32_t place_take(struct label_sets *s) {
	if (s->free_count > 0)
		return s->free[--s->free_count];
	return s->high < s->max ? ++s->high : 0;
}

int label_sets_define(struct label_sets *s, uint32_t number, struct view bytes) {
	uint32_t known = label_sets_find(s, number);

	if (number == 0 || bytes.len == 0 || !labels_valid(bytes) || !utf8_valid(bytes))
		return -EINVAL;
	if (known != 0 && view_equal(label_sets_at(s, known), bytes))
		return 0;
	if (known != 0)
		number_withdraw(s, known);
	struct label_set *l = malloc(sizeof(*l) + bytes.len);
	if (l == NULL)
		return -ENOMEM;
	uint32_t set = place_take(s);
	if (set == 0) {
		free(l);
		return -ENOSPC;
	}
	uint32_t *bucket = bucket_of(s, number);
	*l = (struct label_set) {
		.len = bytes.len,
		.bytes = (uint8_t *)(l + 1),
		.number = number,
		.devices = 1,
		.next = *bucket,
		.brought = s->brought,
	};
	memcpy(l->bytes, bytes.p, bytes.len);
	atomic_store_explicit(&s->sets[set], l, memory_order_release);
	*bucket = set;
	s->brought = set;
	s->bytes += sizeof(*l) + bytes.len;
	s->count++;
	return 0;
}

// --- who has them

void label_sets_take(struct label_sets *s, uint32_t set) {
	if (set != 0)
		set_of(s, set)->devices++;
}

void label_sets_give(struct label_sets *s, uint32_t set) {
	if (set != 0 && --set_of(s, set)->devices == 0)
		set_retire(s, set);
}

void label_sets_settle(struct label_sets *s) {
	while (s->brought != 0) {
		uint32_t set = s->brought;
		s->brought = set_of(s, set)->brought;
		label_sets_give(s, set);
	}
}

void label_sets_passed(struct label_sets *s) {
	while (s->waiting != 0) {
		uint32_t set = s->waiting;
		struct label_set *l = set_of(s, set);
		s->waiting = l->next;
		atomic_store_explicit(&s->sets[set], NULL, memory_order_relaxed);
		s->bytes -= sizeof(*l) + l->len;
		s->free[s->free_count++] = set;
		free(l);
	}
}

uint32_t label_sets_next(const struct label_sets *s, uint32_t *at, struct view *bytes) {
	while (*at < s->high) {
		const struct label_set *l = set_of(s, ++*at);
		if (l == NULL || l->devices == 0) // free, or waiting
			continue;
		*bytes = view_of(l->bytes, l->len);
		return *at;
	}
	return 0;
}

uint32_t label_sets_count(const struct label_sets *s) {
	return s->count;
}

size_t label_sets_bytes(const struct label_sets *s) {
	return s->bytes
		+ (size_t)s->high
		* (sizeof(s->sets[0]) + sizeof(s->buckets[0]) + sizeof(s->free[0]));
}
