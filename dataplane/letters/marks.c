// SPDX-License-Identifier: Apache-2.0
#include "dataplane/letters/marks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TABLE_SIZE (2 * MARKS_MAX) // open addressing, at most half full

struct mark {
	int64_t offset; // -1: empty
	int32_t partition;
};

struct letter_marks {
	FILE *file;
	uint32_t count;
	struct mark *table;
};

static struct mark *place(const struct letter_marks *m, int32_t partition, int64_t offset) {
	uint64_t h = ((uint64_t)offset ^ (uint64_t)partition << 40) * 0x9e3779b97f4a7c15u;

	for (uint32_t at = (uint32_t)(h >> 40);; at++) {
		struct mark *k = &m->table[at % TABLE_SIZE];
		if (k->offset == -1 || (k->offset == offset && k->partition == partition))
			return k;
	}
}

static bool remember(struct letter_marks *m, int32_t partition, int64_t offset) {
	struct mark *k = place(m, partition, offset);

	if (k->offset != -1)
		return true;
	if (m->count == MARKS_MAX)
		return false;
	*k = (struct mark) {.offset = offset, .partition = partition};
	m->count++;
	return true;
}

static void line_take(struct letter_marks *m, const char *line) {
	int32_t partition;
	int64_t offset;
	char end;

	if (sscanf(line, "%" SCNd32 " %" SCNd64 "%c", &partition, &offset, &end) == 3 && end == '\n'
	    && partition >= 0 && offset >= 0)
		remember(m, partition, offset);
}

int marks_open(const char *path, struct letter_marks **out) {
	struct letter_marks *m = calloc(1, sizeof(*m));
	char line[64];

	if (m == nullptr)
		return -ENOMEM;
	m->table = malloc(TABLE_SIZE * sizeof(*m->table));
	m->file = fopen(path, "a+e");
	if (m->table == nullptr || m->file == nullptr || fseek(m->file, 0, SEEK_SET) != 0) {
		int ret = m->table == nullptr ? -ENOMEM : -errno;
		marks_close(m);
		return ret;
	}
	for (uint32_t i = 0; i < TABLE_SIZE; i++)
		m->table[i].offset = -1;
	while (fgets(line, sizeof(line), m->file) != nullptr)
		line_take(m, line);
	*out = m;
	return 0;
}

void marks_close(struct letter_marks *m) {
	if (m == nullptr)
		return;
	if (m->file != nullptr)
		fclose(m->file);
	free(m->table);
	free(m);
}

bool marks_has(const struct letter_marks *m, int32_t partition, int64_t offset) {
	return place(m, partition, offset)->offset != -1;
}

int marks_add(struct letter_marks *m, int32_t partition, int64_t offset) {
	if (marks_has(m, partition, offset))
		return 0;
	if (!remember(m, partition, offset))
		return -ENOSPC;
	return fprintf(m->file, "%" PRId32 " %" PRId64 "\n", partition, offset) > 0 ? 0 : -EIO;
}

int marks_flush(struct letter_marks *m) {
	if (fflush(m->file) != 0 || fdatasync(fileno(m->file)) != 0)
		return -errno;
	return 0;
}
