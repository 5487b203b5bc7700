// SPDX-License-Identifier: Apache-2.0
// Devices that come to another worker than the one that owns their state.
//
//   asker                    home                     owner
//     | park the message       |                        |
//     |--- WANT -------------->|--- GIVE -------------->|
//     |                        |                        | device_give()
//     |<-- YOURS ---------------------------------------|
//     | run what was parked, in its order
//
// The home sends a place's letters one after the other to whoever will own it next (`promised`), so
// two askers stand in line: the first is told to give before it has got, and gives when it is done
// with what it had parked. The state itself stays where it is; nothing is copied.
//
// A device that changes hands too often is pinned for a while: the home answers PINNED, and the
// asker sends its messages to the owner (RUN), which reads them where they are parked, and sends
// verdicts back (VERDICT).
//
// A record whose device has moved on is told to its owner when it is durable or lost (CLOSE). A
// copy of a message that another worker has in flight is attached there (ATTACH) and gets its
// VERDICT.
//
// Everything is bounded: parked bytes, devices waited for, letters. Beyond it messages are shed
// with SHED_HANDOVER. Letters wait in an outbox while a ring is full; it has room for every letter
// that the acknowledgement slots, waiters and places in hand can give rise to. Thread: the worker's
// own, except for what the letters point to: a parked message is read by the owner between RUN and
// RAN.
#pragma once

#include "pipelines/burst.h"
#include "pipelines/dedup.h"
#include "pipelines/parked.h"
#include "pipelines/record.h"

#include <stdbool.h>
#include <stdint.h>

struct pipeline;

enum letter_kind : uint8_t {
	LETTER_WANT,
	LETTER_NO_ROOM, // home to asker: the device gets no state
	LETTER_PINNED,
	LETTER_GIVE,
	LETTER_YOURS,
	LETTER_CLOSE,
	LETTER_ATTACH,
	LETTER_VERDICT,
	LETTER_RUN,
	LETTER_RAN,
};

struct pipeline_letter {
	enum letter_kind kind;
	bool registered; // WANT
	bool durable; // CLOSE
	uint16_t from;
	uint16_t to; // GIVE: the new owner; PINNED: the owner
	uint32_t place;
	uint32_t origin; // CLOSE, ATTACH: who has the message in flight
	uint32_t waiter; // ATTACH, VERDICT, RUN: at the one who waits; TOKEN_NONE: nobody does
	union {
		uint64_t hash[2]; // WANT, NO_ROOM, PINNED, YOURS
		struct dedup_key key; // CLOSE, ATTACH
		struct verdict verdict; // VERDICT
		struct parked *parked; // RUN, RAN
	};
};
static_assert(sizeof(struct pipeline_letter) <= 64);

#define WAIT_WAYS 8
#define WAITS_MAX 1024 // devices waited for at once
#define MOVES_PER_S 8 // beyond it a device is pinned
#define PINNED_S 1 // for the asker; for the home one more

// One device that is waited for, or pinned elsewhere.
struct device_wait {
	uint64_t hash[2];
	struct parked *first, *last;
	uint32_t until_s; // pinned: as long as this is so
	uint16_t owner; // pinned: where
	uint16_t next_owner; // to be given on; WORKER_NONE: no
	bool used, pinned;
};
#define WORKER_NONE UINT16_MAX

struct handover {
	struct device_wait *waits; // owned; sets of WAIT_WAYS
	uint32_t wait_count;
	struct parking parking;
	struct pipeline_letter *outbox; // owned
	uint16_t *outbox_to; // owned
	uint32_t outbox_size, outbox_head, outbox_count;
};

int handover_init(struct handover *h, uint32_t arena_bytes, uint32_t letters); // 0 or -ENOMEM
void handover_fini(struct handover *h);

enum handover_rc : uint8_t {
	HANDOVER_NOT_WAITING, // nobody waits for this device: look for it
	HANDOVER_STATELESS, // go on without a state
	HANDOVER_PARKED, // the message waits; its item is at an end here
	HANDOVER_FULL, // it cannot wait
};

// Is the device waited for, or pinned elsewhere? Then the message of `it` joins the line.
enum handover_rc
handover_join(struct pipeline *p, struct item *it, const uint64_t hash[2], uint32_t now_s);
// The device is elsewhere: ask for it. `alone`: the message is about no other device.
enum handover_rc handover_ask(
	struct pipeline *p,
	struct item *it,
	const uint64_t hash[2],
	bool registered,
	bool alone
);

// A letter has come. Between bursts.
void handover_letter(struct pipeline *p, const struct pipeline_letter *l);
// Send what is in the outbox, as far as there is room; forget pins that are over.
void handover_poll(struct pipeline *p);
// Send a letter, now or later.
void handover_send(struct pipeline *p, uint16_t to, const struct pipeline_letter *l);
bool handover_idle(const struct pipeline *p);

// A verdict for somebody who waits at another worker.
void handover_verdict(struct pipeline *p, uint16_t to, uint32_t waiter, const struct verdict *v);

// Dedup's side.
void handover_close(
	struct pipeline *p,
	uint32_t place,
	const struct dedup_key *k,
	uint32_t origin,
	bool durable
);
// A copy waits for what `origin` has in flight, here or elsewhere. False: it cannot wait.
bool handover_attach(struct pipeline *p, const struct item *it, uint32_t origin);
