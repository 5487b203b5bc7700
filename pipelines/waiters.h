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
	uint16_t remote; // worker + 1 at which `token` is a waiter; 0: it is the adapter's
};

struct waiters {
	struct waiter *all; // owned
	uint32_t count;
	uint32_t first_free;
	uint32_t used;
};

int waiters_init(struct waiters *w, uint32_t count); // 0 or -ENOMEM
void waiters_fini(struct waiters *w);

// False if there is no room.
bool waiter_add(struct waiters *w, uint32_t *list, const struct message *m);
bool waiter_add_remote(struct waiters *w, uint32_t *list, uint16_t worker, uint32_t waiter);
// On no list: known by its number, to be taken with waiter_release(). WAITER_NONE: no room.
uint32_t waiter_keep(struct waiters *w, const struct message *m);
struct waiter waiter_release(struct waiters *w, uint32_t i);
// Take the first of the list; false if it is empty.
bool waiter_take(struct waiters *w, uint32_t *list, struct waiter *out);
