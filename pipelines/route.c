// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "pipelines/partition.h"
#include "pipelines/route.h"

static bool goes_with(const struct record *rec, const struct record *before) {
	return rec->device.p == before->device.p && rec->topic == before->topic;
}

static void
route_item(struct burst *b, struct item *it, const struct config *c, uint16_t egress_count) {
	struct record *records = &b->records[it->first_record];

	for (uint16_t i = 0; i < it->record_count; i++) {
		struct record *rec = &records[i];
		rec->topic = rec->quarantine != FINDING_NONE ? c->kafka.dead_letter
							     : it->m.profile->route->topic;
		uint32_t partitions = c->topics[rec->topic].partitions;
		if (partitions == 0) {
			item_shed(it, SHED_SINK_UNKNOWN);
			return;
		}
		if (i > 0 && goes_with(rec, &records[i - 1])) {
			rec->partition = records[i - 1].partition;
			rec->egress = records[i - 1].egress;
			continue;
		}
		rec->partition = partition_of(rec->device, partitions);
		rec->egress = egress_of(rec->topic, rec->partition, egress_count);
	}
}

void route_burst(
	struct burst *b,
	uint16_t from,
	uint16_t to,
	const struct config *c,
	uint16_t egress_count
) {
	for (uint16_t i = from; i < to; i++)
		if (b->items[i].state == ITEM_GOING)
			route_item(b, &b->items[i], c, egress_count);
}
