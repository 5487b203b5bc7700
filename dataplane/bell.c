// SPDX-License-Identifier: Apache-2.0
#include "dataplane/bell.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bell_open(struct bell *b) {
	atomic_store_explicit(&b->asleep, false, memory_order_relaxed);
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return b->fd >= 0 ? 0 : -errno;
}

void bell_close(struct bell *b) {
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

void bell_hush(struct bell *b, bool readable) {
	bool taken = !atomic_exchange_explicit(&b->asleep, false, memory_order_acq_rel);
	uint64_t rung;

	// Whoever took the flag may write later than this reads: that ends the next sleep too
	// early, which then finds the descriptor readable.
	if (taken || readable)
		(void)!read(b->fd, &rung, sizeof(rung));
}

void bell_ring(struct bell *b) {
	const uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (!atomic_load_explicit(&b->asleep, memory_order_relaxed)
	    || !atomic_exchange_explicit(&b->asleep, false, memory_order_acq_rel))
		return;
	(void)!write(b->fd, &one, sizeof(one));
}
