// SPDX-License-Identifier: Apache-2.0
// A batch: encoded records for one (egress, topic), in one fixed buffer.
//
// Life:   free [w] -> open [w] -> sealed, by ring -> egress [e] -> completions, by ring -> [w]
// The worker that filled a batch gets every entry back with a result of its own, in one or several
// completions (contiguous runs); when the last entry has come back the batch is free again. The
// sink may point into the buffer (librdkafka without copy) until it has reported the entry.
#pragma once

#include <stdint.h>

#define BATCH_ENTRIES_MAX 4096

enum entry_kind : uint8_t {
	ENTRY_RECORD, // telemetry: gets a ledger-seq
	ENTRY_QUARANTINED, // telemetry on its way to the dead-letter topic: no ledger-seq
	ENTRY_DEAD_LETTER, // of a message that became no record
	ENTRY_ALERT,
	ENTRY_CHECKPOINT, // made and consumed by the egress thread only
};

enum entry_result : uint8_t {
	RESULT_PENDING,
	RESULT_DELIVERED,
	RESULT_DELIVERED_WEAK, // acknowledged, by a topic weaker than the contract (lab)
	RESULT_REFUSED, // permanent error of this record: goes to the dead-letter route
};

// Fixed-width places inside an encoded record which only the egress thread can fill.
enum seq_form : uint8_t {
	SEQ_DIGITS, // LEDGER_SEQ_DIGITS decimal places, spaces on the left
	SEQ_FIXED64, // 8 bytes, little-endian
};
#define LEDGER_SEQ_DIGITS 20

// How many records share a Kafka message, and what stands between them. The entries of a packed
// batch are of one partition and lie next to each other, so that any run of them is a message
// without copying.
enum packing : uint8_t {
	PACK_NONE, // one record, one message, with the device as its key
	PACK_LINES, // no key; a newline behind each value, the last one's left out
	PACK_DELIMITED, // no key; a varint length before each value
};

struct batch_entry {
	uint32_t offset; // of the value in buf
	uint32_t len;
	uint32_t key_offset; // of the device id (the Kafka key) in buf
	uint16_t key_len;
	// Where in buf (value or headers) places wait for ledger_seq, in the form of seq_form; 0 =
	// none.
	uint32_t seq_at;
	uint32_t headers_offset; // encoded Kafka headers in buf (pipelines/headers.h); 0 = none
	uint32_t headers_len;
	int32_t partition;
	uint32_t ack; // pipeline's ack slot, TOKEN_NONE if nobody waits
	int64_t rx_wall_ns; // becomes the Kafka timestamp
	uint64_t rx_ns; // monotonic, for latency
	uint64_t ledger_seq; // [e] assigned by the egress thread
	enum entry_kind kind;
	enum seq_form seq_form;
	uint8_t lead; // bytes before `offset` that belong to the entry in a packed message
	uint8_t transport; // enum transport
	bool late; // came through the late lane
	_Atomic(uint8_t) result; // enum entry_result, written by [e] before the completion
};

struct batch {
	// [fixed]
	uint16_t worker; // index of the owning worker
	uint16_t index; // among that worker's batches
	uint32_t capacity; // bytes in buf
	uint8_t *buf;
	// [w] until sealed, then [e]
	uint16_t egress;
	uint16_t topic; // index into the generation's topics
	enum packing packing;
	uint16_t pack_max; // records per message, if packed
	int32_t partition; // of all entries, if packed
	uint32_t count;
	uint32_t used; // bytes
	uint64_t opened_ns;
	// [w]
	uint32_t outstanding; // entries not yet completed
	struct batch_entry entries[BATCH_ENTRIES_MAX];
};

// A run of entries [first, first + count) of one batch that have their results. Fits a ring slot.
struct completion {
	uint16_t batch; // index
	uint16_t first;
	uint16_t count;
	uint16_t reserved;
};
static_assert(sizeof(struct completion) == 8);
