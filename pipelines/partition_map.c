// SPDX-License-Identifier: Apache-2.0
#include "pipelines/partition_map.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FORMAT_VERSION 1

static int entries_read(FILE *f, struct partition_map *m) {
	char topic[256];
	uint32_t partitions;
	int n;

	while ((n = fscanf(f, "%255s %" SCNu32, topic, &partitions)) == 2) {
		if (partitions == 0 || partition_map_add(m, topic, partitions) != 0)
			return -EINVAL;
	}
	return n == EOF && !ferror(f) ? 0 : -EINVAL;
}

int partition_map_load(const char *path, struct partition_map *m) {
	unsigned format;
	int ret = -EINVAL;

	memset(m, 0, sizeof(*m));
	FILE *f = fopen(path, "re");
	if (f == nullptr)
		return errno == ENOENT ? 0 : -errno;
	if (fscanf(f, "sluice-partitions %u %" SCNu32, &format, &m->version) == 2
	    && format == FORMAT_VERSION && m->version > 0)
		ret = entries_read(f, m);
	fclose(f);
	return ret;
}

static int directory_sync(const char *path) {
	char dir[300];

	snprintf(dir, sizeof(dir), "%s", path);
	char *slash = strrchr(dir, '/');
	if (slash == nullptr)
		return 0;
	*slash = '\0';
	int fd = open(dir[0] != '\0' ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int ret = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return ret;
}

int partition_map_store(const char *path, const struct partition_map *m) {
	char next[320];

	snprintf(next, sizeof(next), "%s.new", path);
	FILE *f = fopen(next, "we");
	if (f == nullptr)
		return -errno;
	fprintf(f, "sluice-partitions %d %" PRIu32 "\n", FORMAT_VERSION, m->version);
	for (uint32_t i = 0; i < m->count; i++)
		fprintf(f, "%s %" PRIu32 "\n", m->entries[i].topic, m->entries[i].partitions);
	int ret = fflush(f) == 0 && fsync(fileno(f)) == 0 ? 0 : -errno;
	if (fclose(f) != 0 && ret == 0)
		ret = -errno;
	if (ret == 0 && rename(next, path) != 0)
		ret = -errno;
	if (ret == 0)
		ret = directory_sync(path);
	return ret;
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
