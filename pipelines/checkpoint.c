// SPDX-License-Identifier: Apache-2.0
#include "pipelines/checkpoint.h"
#include "pipelines/envelope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEX_BYTES (2 * SHA256_BYTES + 1)

static void chain_start(struct checkpoint_chain *c) {
	sha256_init(&c->running);
	sha256_update(&c->running, c->chain, sizeof(c->chain));
	c->from = c->last + 1;
	c->records = 0;
	c->bytes = 0;
	c->skip_count = 0;
}

void checkpoint_init(struct checkpoint_chain *c) {
	memset(c, 0, sizeof(*c));
	c->number = 1;
	chain_start(c);
}

static uint8_t *be_put(uint8_t *p, uint64_t v, unsigned bytes) {
	for (unsigned i = bytes; i-- > 0;)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

int checkpoint_add(struct checkpoint_chain *c, uint64_t seq, struct view key, struct view value) {
	uint8_t head[12], length[4];

	if (seq != c->last + 1) {
		if (c->skip_count == CHECKPOINT_SKIPS_MAX)
			return -ENOSPC;
		c->skipped[c->skip_count].first = c->last + 1;
		c->skipped[c->skip_count++].last = seq - 1;
	}
	be_put(be_put(head, seq, 8), key.len, 4);
	be_put(length, value.len, 4);
	sha256_update(&c->running, head, sizeof(head));
	sha256_update(&c->running, key.p, key.len);
	sha256_update(&c->running, length, sizeof(length));
	sha256_update(&c->running, value.p, value.len);
	c->last = seq;
	c->records++;
	c->records_total++;
	c->bytes += value.len;
	return 0;
}

static void hex(char out[HEX_BYTES], const uint8_t in[SHA256_BYTES]) {
	for (unsigned i = 0; i < SHA256_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", in[i]);
}

static void skips_render(const struct checkpoint_chain *c, char *out, size_t len) {
	size_t at = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < c->skip_count; i++)
		at += (size_t)snprintf(
			out + at,
			len - at,
			"%s[%" PRIu64 ",%" PRIu64 "]",
			i > 0 ? "," : "",
			c->skipped[i].first,
			c->skipped[i].last
		);
}

uint32_t checkpoint_make(
	struct checkpoint_chain *c,
	const struct checkpoint_origin *o,
	uint8_t out[CHECKPOINT_BYTES_MAX]
) {
	char before[HEX_BYTES], after[HEX_BYTES], skipped[CHECKPOINT_SKIPS_MAX * 44 + 1];

	hex(before, c->chain);
	sha256_digest(&c->running, c->chain);
	hex(after, c->chain);
	skips_render(c, skipped, sizeof(skipped));
	int n = snprintf(
		(char *)out,
		CHECKPOINT_BYTES_MAX,
		"{\"type\":\"checkpoint\",\"appliance\":\"%s\",\"appliance_epoch\":%" PRIu64
		",\"topic\":\"%s\",\"partition\":%" PRId32 ",\"number\":%" PRIu64
		",\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"records\":%" PRIu64
		",\"records_total\":%" PRIu64 ",\"bytes\":%" PRIu64
		",\"skipped\":[%s],\"previous\":\"%s\",\"chain\":\"%s\""
		",\"map\":%" PRIu32 ",\"time_ns\":%" PRId64 ",\"clock\":\"%s\"}",
		o->appliance,
		o->epoch,
		o->topic,
		o->partition,
		c->number,
		c->from,
		c->last,
		c->records,
		c->records_total,
		c->bytes,
		skipped,
		before,
		after,
		o->partition_map,
		o->wall_ns,
		clock_quality_label(o->clock)
	);
	c->number++;
	chain_start(c);
	return n < CHECKPOINT_BYTES_MAX ? (uint32_t)n : CHECKPOINT_BYTES_MAX - 1;
}
