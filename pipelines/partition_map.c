// SPDX-License-Identifier: Apache-2.0
#include "config/durable_file.h"
#include "pipelines/partition_map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT "sluice-partitions 1"

// "NAME NUMBER\n", cut in place. The number is in 1..UINT32_MAX.
static int line_cut(char *line, uint32_t *number) {
	char *space = strrchr(line, ' ');
	char *end;

	if (space == nullptr || space == line || space[1] < '0' || space[1] > '9')
		return -EINVAL;
	uintmax_t v = strtoumax(space + 1, &end, 10);
	if (strcmp(end, "\n") != 0 || v == 0 || v > UINT32_MAX)
		return -EINVAL;
	*space = '\0';
	*number = (uint32_t)v;
	return 0;
}

static int lines_read(FILE *f, struct partition_map *m) {
	char line[300];
	uint32_t partitions;

	if (fgets(line, sizeof(line), f) == nullptr || line_cut(line, &m->version) != 0
	    || strcmp(line, FORMAT) != 0)
		return -EINVAL;
	while (fgets(line, sizeof(line), f) != nullptr) {
		if (line_cut(line, &partitions) != 0 || strlen(line) >= sizeof(m->entries[0].topic)
		    || partition_map_add(m, line, partitions) != 0)
			return -EINVAL;
	}
	return ferror(f) ? -EIO : 0;
}

int partition_map_load(const char *path, struct partition_map *m) {
	memset(m, 0, sizeof(*m));
	FILE *f = fopen(path, "re");
	if (f == nullptr)
		return errno == ENOENT ? 0 : -errno;
	int ret = lines_read(f, m);
	fclose(f);
	return ret;
}

int partition_map_store(const char *path, const struct partition_map *m) {
	struct durable_file f;
	int ret = durable_file_begin(&f, path, 0644);

	if (ret < 0)
		return ret;
	fprintf(f.stream, FORMAT " %" PRIu32 "\n", m->version);
	for (uint32_t i = 0; i < m->count; i++)
		fprintf(f.stream, "%s %" PRIu32 "\n", m->entries[i].topic, m->entries[i].partitions
		);
	return durable_file_commit(&f);
}

uint32_t partition_map_get(const struct partition_map *m, const char *topic) {
	for (uint32_t i = 0; i < m->count; i++)
		if (strcmp(m->entries[i].topic, topic) == 0)
			return m->entries[i].partitions;
	return 0;
}

int partition_map_add(struct partition_map *m, const char *topic, uint32_t partitions) {
	if (partition_map_get(m, topic) != 0)
		return -EEXIST;
	if (m->count == PARTITION_MAP_TOPICS_MAX)
		return -ENOSPC;
	snprintf(m->entries[m->count].topic, sizeof(m->entries[0].topic), "%s", topic);
	m->entries[m->count++].partitions = partitions;
	return 0;
}
