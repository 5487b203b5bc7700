// SPDX-License-Identifier: Apache-2.0
// Sealed batches without a pipeline in front, for tests and benches of sinks.
#pragma once

#include "pipelines/batch.h"
#include "pipelines/headers.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline struct batch *batch_make(uint16_t worker, uint16_t index, uint32_t capacity) {
	struct batch *b = calloc(1, sizeof(*b));

	b->worker = worker;
	b->index = index;
	b->capacity = capacity;
	b->buf = malloc(capacity);
	return b;
}

static inline void batch_unmake(struct batch *b) {
	if (b != NULL)
		free(b->buf);
	free(b);
}

static inline void batch_open(struct batch *b, uint16_t topic) {
	b->topic = topic;
	b->count = b->used = 0;
}

// A JSON record of device `key` with number `n` in its field "n", padded to about `size` bytes.
static inline struct batch_entry *
batch_record(struct batch *b, const char *key, uint64_t n, int32_t partition, uint32_t size) {
	struct batch_entry *e = &b->entries[b->count++];
	static const char head[] = "{\"type\":\"record\",\"ledger_seq\":";

	*e = (struct batch_entry) {.partition = partition, .kind = ENTRY_RECORD};
	e->key_offset = b->used;
	e->key_len = (uint16_t)strlen(key);
	memcpy(b->buf + b->used, key, e->key_len);
	b->used += e->key_len;
	e->offset = b->used;
	memcpy(b->buf + b->used, head, sizeof(head) - 1);
	b->used += sizeof(head) - 1;
	e->seq_at = b->used;
	memset(b->buf + b->used, ' ', LEDGER_SEQ_DIGITS);
	b->used += LEDGER_SEQ_DIGITS;
	b->used += (uint32_t)sprintf(
		(char *)b->buf + b->used,
		",\"appliance\":\"test\",\"appliance_epoch\":7,\"device\":\"%s\",\"n\":%llu,"
		"\"pad\":\"",
		key,
		(unsigned long long)n
	);
	while (b->used - e->offset + 2 < size)
		b->buf[b->used++] = 'x';
	b->buf[b->used++] = '"';
	b->buf[b->used++] = '}';
	e->len = b->used - e->offset;
	return e;
}
