// SPDX-License-Identifier: Apache-2.0
#include "config/build.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX (1u << 20)

struct chunk {
	struct chunk *next;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

struct owned_config {
	struct config config; // first: config_free() is given its address
	struct chunk *chunks;
};
static_assert(offsetof(struct owned_config, config) == 0);

struct place {
	const void *what;
	uint32_t line;
};

int build_init(struct build *b, const char *path, struct report *report) {
	const char *slash = strrchr(path, '/');

	*b = (struct build) {.report = report};
	if (slash == NULL)
		snprintf(b->base_dir, sizeof(b->base_dir), ".");
	else
		snprintf(
			b->base_dir,
			sizeof(b->base_dir),
			"%.*s",
			(int)(slash == path ? 1 : slash - path),
			path
		);
	b->owned = calloc(1, sizeof(*b->owned));
	if (b->owned == NULL)
		return -ENOMEM;
	b->config = &b->owned->config;
	snprintf(b->config->source, sizeof(b->config->source), "%s", path);
	return 0;
}

void build_fini(struct build *b) {
	free(b->places);
	if (b->owned != NULL)
		config_free(&b->owned->config);
	*b = (struct build) {};
}

struct config *build_take(struct build *b) {
	struct config *c = b->config;

	b->owned = NULL;
	b->config = NULL;
	return c;
}

void config_free(struct config *c) {
	struct owned_config *o = (struct owned_config *)c;

	if (c == NULL)
		return;
	for (struct chunk *chunk = o->chunks; chunk != NULL;) {
		struct chunk *next = chunk->next;
		explicit_bzero(chunk->bytes, chunk->size);
		free(chunk);
		chunk = next;
	}
	explicit_bzero(o, sizeof(*o));
	free(o);
}

void *build_alloc(struct build *b, size_t size) {
	struct chunk *chunk = calloc(1, sizeof(*chunk) + size);

	if (chunk == NULL) {
		b->out_of_memory = true;
		return NULL;
	}
	chunk->size = size;
	chunk->next = b->owned->chunks;
	b->owned->chunks = chunk;
	return chunk->bytes;
}

char *build_text(struct build *b, const char *text) {
	size_t n = strlen(text) + 1;
	char *copy = build_alloc(b, n);

	if (copy != NULL)
		memcpy(copy, text, n);
	return copy;
}

void build_place(struct build *b, const void *what, uint32_t line) {
	if (b->place_count == b->place_room) {
		uint32_t room = b->place_room == 0 ? 256 : b->place_room * 2;
		struct place *grown = NULL;
		if (room <= PLACES_MAX)
			grown = realloc(b->places, room * sizeof(*grown));
		if (grown == NULL) {
			b->out_of_memory = true;
			return;
		}
		b->places = grown;
		b->place_room = room;
	}
	b->places[b->place_count++] = (struct place) {what, report_line(b->report, line)};
}

bool build_given(const struct build *b, const void *what, uint32_t since) {
	for (uint32_t i = b->place_count; i-- > since;)
		if (b->places[i].what == what)
			return true;
	return false;
}

uint32_t build_line(const struct build *b, const void *what) {
	// The latest: an inline list, its first element and that element's first field share an
	// address.
	for (uint32_t i = b->place_count; i-- > 0;)
		if (b->places[i].what == what)
			return b->places[i].line;
	return 0;
}

uint32_t build_line_in(const struct build *b, const void *what, const void *element) {
	uint32_t line = build_line(b, what);
	return line != 0 ? line : build_line(b, element);
}
