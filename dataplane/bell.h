// SPDX-License-Identifier: Apache-2.0
// Wakes one thread that sleeps because it found nothing to do. It costs the others a load while
// that thread is awake, and a system call for each sleep that they end.
//
//   sleeper: bell_listen(); look once more for work; none: wait until fd is readable; bell_hush()
//   others:  put work where the sleeper looks; bell_ring()
//
// bell_listen() and bell_ring() each write before they read, so that one of the two sees the other:
// work that is there before a ring is never slept over.
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

struct bell {
	// [x] set by the sleeper, taken by whoever rings
	alignas(64) atomic_bool asleep;
	int fd; // [fixed] an eventfd; -1: never rings
};

int bell_open(struct bell *b); // 0 or -errno
void bell_close(struct bell *b);

// The sleeper.
static inline void bell_listen(struct bell *b) {
	atomic_store_explicit(&b->asleep, true, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
}
// After the sleep, or instead of it. `readable`: its fd was found so.
void bell_hush(struct bell *b, bool readable);

// Anybody else. May enter the kernel.
void bell_ring(struct bell *b);
