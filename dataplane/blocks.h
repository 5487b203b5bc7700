// SPDX-License-Identifier: Apache-2.0
// Blocks and limits: which address prefixes of a realm, and which devices, may not send for a time,
// or only so many records per second.
//
//   operator     sluicectl flow block --> registry --> channel --> blocks_put()       main thread
//   signature    a stage of the pipeline --> blocks_ask() --> ring --> blocks_turn()  worker ->
//   main
//                                                   blocks_turn() --> report --> control plane
//                or, where it would hit a crowd:    blocks_turn() --> blocks_declined()   main ->
//                worker
//   frame        net layer --> blocks_source(): dropped as DROP_BLOCKED               worker
//   message      gate --> blocks_judge(): refused as `blocked`, shed as `quota`       worker
//
// One table, changed in place by the main thread and read by all workers without locks: chains of
// entries, a sequence number around each entry's key and one around the chains. A reader that ran
// into a change looks again; a frame that arrives while its block is being made may pass.
//
// Time: an entry ends when the main thread takes it away. Deadlines are CLOCK_BOOTTIME, so that a
// jump of the wall clock changes nothing; blocks_save() writes them with the boot they belong to,
// and what is left of them for another boot.
#pragma once

#include "controlplane/api/channel.h"
#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

struct blocks;

#define BLOCKS_MAX 65536
#define BLOCK_FOR_MAX_S (10 * 365 * 86400u)

// `secret` keys the SipHash of addresses and names. 0 or -ENOMEM.
int blocks_create(uint16_t workers, const uint64_t secret[2], struct blocks **out);
void blocks_destroy(struct blocks *b); // accepts NULL; no worker uses it any more

// --- workers

// May this source not send at all? `remote` is 4 or 16 bytes by `family`. Nothing blocked: one
// load.
bool blocks_source(const struct blocks *b, uint8_t family, const uint8_t *remote, uint16_t realm);

// The same question, not about a frame: nothing is counted.
bool blocks_source_peek(
	const struct blocks *b,
	uint8_t family,
	const uint8_t *remote,
	uint16_t realm
);

enum block_verdict : uint8_t {
	BLOCK_NONE,
	BLOCK_REFUSED, // the device is blocked
	BLOCK_LIMITED, // the device or its address has sent its share: later
};

// A message of `device` from that address with so many records. Takes them from the limits that
// apply. now_ns is monotonic.
enum block_verdict blocks_judge(
	struct blocks *b,
	struct view device,
	const struct channel_address *peer,
	uint32_t records,
	uint64_t now_ns
);
// The first half: a connection may not be made, or has to end.
bool blocks_device(const struct blocks *b, struct view device);

// Counted up whenever something is blocked that was not: live connections have to be looked at.
uint32_t blocks_generation(const struct blocks *b);

// A ban asked for by a worker: of an address (device_len 0; prefix_len as wanted, a whole address
// is 32 or 128) or of a device. It takes effect when the main thread comes by, at the latest after
// 250 ms; asking again before that is harmless and merged. The longer deadline wins.
struct block_ask {
	struct channel_address peer;
	char device[CHANNEL_NAME_MAX];
	uint8_t device_len;
	uint32_t for_s; // 1..BLOCK_FOR_MAX_S
	uint32_t signature; // whose doing it is; shown and audited
	uint8_t transport; // enum transport of the message that asked for it
	char reason[64]; // terminated, e.g. the signature's name; printable
};

// A ban that was asked for and not made.
struct block_decline {
	struct channel_address peer;
	uint32_t signature;
	uint32_t devices; // in good standing, that it would have hit as well
	uint8_t transport;
};

// Worker `worker` only; hot: no allocation, lock or system call. False if its ring is full: the
// request is lost and counted; the next match asks again.
bool blocks_ask(struct blocks *b, uint16_t worker, const struct block_ask *ask);

// The next ban that was declined; false: none. Worker `worker` only, hot. All of one address are
// told to the same worker, whoever asked, each time it was asked for.
bool blocks_declined(struct blocks *b, uint16_t worker, struct block_decline *out);

// --- main thread

// CHANNEL_PUT makes or replaces, CHANNEL_REMOVE takes away; the key is device or realm and prefix,
// together with the action. -ENOSPC: BLOCKS_MAX reached. -ENOENT: nothing to take away. -EINVAL:
// neither a device nor a prefix, or a limit of 0.
int blocks_apply(struct blocks *b, const struct channel_block *k);
// Who is asked before a ban that a worker wants is made: how many devices it would hit without
// cause. If any, it is declined, counted and told to a worker.
void blocks_guard(
	struct blocks *b,
	uint32_t (*crowd)(void *owner, const struct block_ask *ask),
	void *owner
);
// A whole set from the registry: begin, apply..., end takes away what was not mentioned, except
// bans made here that the registry has not heard of yet.
void blocks_whole_begin(struct blocks *b);
uint32_t blocks_whole_end(struct blocks *b);

// Takes what workers asked for and ends what is over. Returns true if anything changed that a
// snapshot should have.
bool blocks_turn(struct blocks *b);

// Bans made here that have not been reported since blocks_report_again(); at most max. The entry
// counts as reported then; the registry acknowledges it by sending it back with its id.
uint32_t blocks_report(struct blocks *b, struct channel_block *out, uint32_t max);
void blocks_report_again(struct blocks *b); // the control plane may have lost what it was told

// The next entry from *at on (0 at first), with the time left; false at the end.
bool blocks_next(const struct blocks *b, uint32_t *at, struct channel_block *out);

struct blocks_stats {
	uint32_t blocked; // entries of either action
	uint32_t limited;
	uint64_t frames; // dropped
	uint64_t messages; // refused or shed
	uint64_t asked; // by workers, taken
	uint64_t declined; // by the guard
	uint64_t asks_lost; // ring, there or back, or table full
	uint64_t expired;
};
void blocks_stats(const struct blocks *b, struct blocks_stats *out);

// The snapshot (blocks_file.c), mode 600. Load: -EBADMSG and no entry if any of it is wrong,
// -ENOENT.
int blocks_save(const struct blocks *b, const char *path);
int blocks_load(struct blocks *b, const char *path);
