// SPDX-License-Identifier: Apache-2.0
// Work that main may not wait for (Kafka takes its time): a thread of its own does one request at a
// time and hands back a JSON text. The thread starts with the first request.
// Thread: main; `work` runs on the errand's.
#pragma once

#include "controlplane/api/channel.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ERRAND_QUERY_MAX 512

struct errand;

struct errand_answer {
	uint64_t seq; // of the request; the errand's own
	int result; // 0, or -errno
	char why[CHANNEL_TEXT_MAX]; // if not 0
	char *json; // if 0: free it
};

// `stop` becomes true when the errand is to end: long work looks at it.
typedef void
errand_work(void *owner, const void *query, const atomic_bool *stop, struct errand_answer *out);

// `name` is the thread's, at most 15 bytes; queries have query_len bytes, at most ERRAND_QUERY_MAX.
// `owner` must outlive the errand. -ENOMEM.
int errand_create(
	const char *name,
	size_t query_len,
	errand_work *work,
	void *owner,
	struct errand **out
);
// Ends the thread, after what it is at. Accepts NULL.
void errand_destroy(struct errand *e);

// 0, or -EBUSY while another request is worked on.
int errand_ask(struct errand *e, const void *query, uint64_t seq);
// True once for each request, when it is done.
bool errand_answered(struct errand *e, struct errand_answer *out);
