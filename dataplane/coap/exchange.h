// SPDX-License-Identifier: Apache-2.0
// Which CoAP messages were seen within EXCHANGE_LIFETIME, and how they were answered (RFC 7252
// sections 4.5 and 4.8.2). Bounded: 16 bytes per entry in a ring in order of arrival, and 8 bytes
// of index. When it is full the oldest completed entry goes first, counted: the effect is a copy
// that is taken for new, whose record has the same record id; never a loss.
//
// The key names (realm, endpoint, message id). An entry also keeps a fingerprint of the content,
// because a device that restarts may use its message ids again too early: other content is another
// message, whatever its id.
// Thread: one worker. Nothing allocates after exchange_table_init().
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define EXCHANGE_LIFETIME_S 247
#define NON_LIFETIME_S 145

enum exchange_state : uint8_t {
	EXCHANGE_PENDING, // waits for its contract, nothing sent
	EXCHANGE_PENDING_ACKED, // the same, the empty ACK is out
	EXCHANGE_DONE, // answered in one message with `code`
	EXCHANGE_DONE_ACKED, // empty ACK; the response was separate or suppressed
};

struct exchange {
	uint64_t key;
	uint32_t fingerprint;
	uint16_t arrived_s; // monotonic seconds, truncated
	uint8_t code; // of the response, once done
	enum exchange_state state : 7;
	uint8_t confirmable : 1;
};
static_assert(sizeof(struct exchange) == 16);

struct exchange_table {
	struct exchange *ring;
	uint32_t *heads; // of the chains: ring position + 1, 0 = empty; as many as entries
	uint32_t *next; // of each entry in its chain
	uint32_t capacity;
	uint32_t oldest;
	uint32_t count;
	uint64_t evicted; // entries that went before their time
};
#define EXCHANGE_BYTES (sizeof(struct exchange) + 2 * sizeof(uint32_t))
static_assert(EXCHANGE_BYTES <= 24);

int exchange_table_init(struct exchange_table *t, uint32_t capacity); // 0 or -ENOMEM
void exchange_table_fini(struct exchange_table *t);

// NULL if unknown or past its lifetime. Valid until the next insert or expire.
struct exchange *exchange_lookup(struct exchange_table *t, uint64_t key, uint32_t now_s);

// For a lookup some requests later: first the chain's head, then, when that has come, the entry it
// names.
void exchange_prefetch_head(const struct exchange_table *t, uint64_t key);
void exchange_prefetch_entry(const struct exchange_table *t, uint64_t key);

// Where an entry stands. It may be moved, so exchange_at() looks whether it still does: NULL if
// not.
uint32_t exchange_place(const struct exchange_table *t, const struct exchange *e);
struct exchange *exchange_at(const struct exchange_table *t, uint32_t place, uint64_t key);

// A new pending entry; one with the same key is taken over.
struct exchange *exchange_insert(
	struct exchange_table *t,
	uint64_t key,
	uint32_t fingerprint,
	bool confirmable,
	uint32_t now_s
);

// Forget up to `budget` entries past their lifetime. Returns the second at which the oldest one
// will be, UINT32_MAX if the table is empty.
uint32_t exchange_expire(struct exchange_table *t, uint32_t now_s, unsigned budget);
