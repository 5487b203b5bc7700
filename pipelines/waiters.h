// SPDX-License-Identifier: Apache-2.0
// Copies that wait for the verdict of the message they are copies of, in lists that hang on its ack
// slot. Fixed size. Thread: the worker's own.
#pragma once

#include "pipelines/ack_table.h"

struct waiter {
	uint64_t rx_ns;
	uint32_t token; // the adapter's
	uint32_t next; // in its list, or among the free ones
	enum transport transport;
};

struct waiters {
	struct waiter *all; // owned
	uint32_t count;
	uint32_t first_free;
};

int waiters_init(struct waiters *w, uint32_t count); // 0 or -ENOMEM
void waiters_fini(struct waiters *w);

// False if there is no room.
bool waiter_add(struct waiters *w, uint32_t *list, const struct message *m);
// Take the first of the list; false if it is empty.
bool waiter_take(struct waiters *w, uint32_t *list, struct waiter *out);
