// SPDX-License-Identifier: Apache-2.0
// The pinned partition count of every topic: a device's partition is murmur2(device) % P, and P
// must not move while the program lives with it, or the order of a device's records would break.
//
// On disk: state_dir/partitions, text, replaced atomically:
//   sluice-partitions 1 <version>
//   <topic> <P>
// The version goes up by one whenever a topic joins; it is carried in every record.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PARTITION_MAP_TOPICS_MAX 256

struct partition_map {
	uint32_t version; // 0: empty
	uint32_t count;
	struct {
		char topic[256];
		uint32_t partitions;
	} entries[PARTITION_MAP_TOPICS_MAX];
};

// 0 (an absent file is an empty map), -EINVAL (not a partition map), -errno.
int partition_map_load(const char *path, struct partition_map *m);
// Durable when it returns 0.
int partition_map_store(const char *path, const struct partition_map *m);
// 0 if the topic is not in the map.
uint32_t partition_map_get(const struct partition_map *m, const char *topic);
// The topic joins; the version is the caller's to raise. -ENOSPC if the map is full, -EEXIST.
int partition_map_add(struct partition_map *m, const char *topic, uint32_t partitions);
