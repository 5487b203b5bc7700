// SPDX-License-Identifier: Apache-2.0
// Whole generations of something that threads read without a lock: the configuration, signature
// databases. Publish and quiesce, without ever stopping a reader or the main thread:
//
//   main thread                               reader: a worker, an egress thread
//   generation_publish(new)
//     next = new          ────────────────►   between two turns: generation_next() gives `new`;
//                                             the reader uses it, and lets go of the old one
//   generation_missing() == 0 ◄────────────   generation_hold(new)
//     retire(old)
//
// A reader says that it holds the new generation only when nothing of its own points into the old
// one any more; what is in flight must therefore name things by value or by an index that stays
// valid. We wait for `held == next`, not for `held != old`: a reader that has loaded the old one
// but not yet said so would pass the second test.
//
// What is published is constant from then on and belongs to this object, which frees it by
// `retire` on the main thread.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct generation;

// One reader's place. Two cache lines: neither thread slows the other down.
struct generation_seat {
	alignas(64) _Atomic(const void *) next; // [main > reader]
	alignas(64) _Atomic(const void *) held; // [reader > main]
};

// `retire` frees one generation. `first` is what every reader holds from the beginning (it may be
// NULL: none yet), owned from here on if this succeeds. 0 or -ENOMEM. All but the seat functions:
// main thread.
int generation_create(
	uint16_t readers,
	const void *first,
	void (*retire)(void *owner, const void *generation),
	void *owner,
	struct generation **out
);
// After the readers have ended. Retires what there is. Accepts NULL.
void generation_destroy(struct generation *g);

// The place of reader 0..readers-1; it lives as long as `g`.
struct generation_seat *generation_seat(struct generation *g, uint16_t reader);

// Offer `next` to every reader; it belongs to `g` now. -EBUSY, and it remains the caller's, while
// some reader has not taken the one before; -EALREADY if it is the current one.
int generation_publish(struct generation *g, const void *next);

// How many readers do not hold the newest generation yet. When it becomes 0 the one before has been
// retired. Never waits: call it every turn of the main loop after a publish.
uint16_t generation_missing(struct generation *g);

// The newest published, whether or not everybody holds it.
const void *generation_current(const struct generation *g);

// Reader, between two turns: what it does not hold yet, NULL if there is nothing new.
static inline const void *generation_next(struct generation_seat *s) {
	const void *next = atomic_load_explicit(&s->next, memory_order_acquire);

	return next == atomic_load_explicit(&s->held, memory_order_relaxed) ? nullptr : next;
}

// Reader: it uses `taken`, and nothing of its own points into the one before.
static inline void generation_hold(struct generation_seat *s, const void *taken) {
	atomic_store_explicit(&s->held, taken, memory_order_release);
}
