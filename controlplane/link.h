// SPDX-License-Identifier: Apache-2.0
// The control plane's end of the channel to sluiced: accepts one data plane, brings it up to the
// registry's version, passes on what it reports. Main thread; never blocks except in the *_wait
// calls, which are bounded.
#pragma once

#include "controlplane/api/channel.h"
#include "controlplane/registry.h"

#include <poll.h>

struct link;

#define LINK_FDS 2
#define LINK_COUNTERS_MAX 4096
#define LINK_EVENTS_KEPT 256

struct link_state {
	bool connected;
	uint16_t workers;
	uint32_t pid;
	uint64_t epoch;
	uint64_t registry_version; // acknowledged by every worker
	uint64_t apply_ns; // of the last acknowledged change
	uint64_t denied; // peers of a user who is not sluiced
	uint64_t refused; // peers of another version
	uint64_t malformed; // messages dropped, and the connection with them
	uint64_t events;
	uint64_t config_generation; // in force in sluiced; 0: the file as it was at its start
	uint32_t config_pending; // options of the announced one that wait for its next start
	char config_text[CHANNEL_TEXT_MAX]; // what it said of the announced one
	char build[33];
};

// Listens on `path` (SOCK_SEQPACKET, anybody may connect, but only root, our own user and user
// "sluice" are heard; replaced if it exists). 0 or -errno.
int link_create(const char *path, struct registry *r, struct link **out);
void link_destroy(struct link *l); // accepts NULL

// Fill in what to poll; entries with fd -1 are idle. After poll() pass them back.
void link_poll_prepare(struct link *l, struct pollfd fds[LINK_FDS]);
void link_poll_done(struct link *l, const struct pollfd fds[LINK_FDS]);

// The registry changed: send what is missing as soon as the socket takes it.
void link_changed(struct link *l);

const struct link_state *link_state(const struct link *l);
// The data plane's last counters; valid until the next link_poll_done().
const struct channel_counter *link_counters(const struct link *l, uint32_t *count);
// The last events, newest first: *count of them.
const struct channel_event *link_event(const struct link *l, uint32_t newest);

// Until every worker has the registry's version, or -ETIMEDOUT, -ENOTCONN.
int link_registry_wait(struct link *l, unsigned timeout_ms);
// Send one statement and wait for its acknowledgement. Its result, or -ETIMEDOUT, -ENOTCONN.
int link_ask(
	struct link *l,
	enum channel_type type,
	const void *element,
	unsigned timeout_ms,
	struct channel_ack *out
);
// Whoever connects is told of this configuration, unless it has it already.
void link_configuration(struct link *l, const struct channel_generation *g);
// The same, and wait for what becomes of it: as link_ask().
int link_announce(
	struct link *l,
	const struct channel_generation *g,
	unsigned timeout_ms,
	struct channel_ack *out
);
// A question whose answer may take long: put, and looked at whenever link_poll_done() has run.
struct link_question {
	struct link_question *next;
	uint64_t seq;
	int64_t until_ms; // monotonic
	bool text, ended;
	int result; // when it has ended: 0, -ETIMEDOUT, -ENOTCONN, -E2BIG (more than LINK_TEXT_MAX
		    // bytes), or the data plane's -errno with `ack` filled
	struct channel_ack ack; // what else the data plane said
	char *answer; // the text, the caller's to free; NULL without one
	size_t len;
	bool lost; // it was too long, or there was no memory
};
#define LINK_TEXT_MAX (4u << 20)
// The answer is to be a text, or an acknowledgement. *q stays where it is until it is answered or
// forgotten. 0, -ENOTCONN or -ETIMEDOUT (it has not been put, and has ended).
int link_put(
	struct link *l,
	struct link_question *q,
	enum channel_type type,
	const void *element,
	bool text,
	unsigned timeout_ms
);
bool link_answered(struct link *l, struct link_question *q); // it has ended, and is forgotten
void link_forget(struct link *l, struct link_question *q);
int link_left_ms(const struct link_question *q);
// Flows of one query, at most `max`; the number, or -errno. *cursor goes on from there, 0 at the
// end.
int link_flows(
	struct link *l,
	const struct channel_flow_query *q,
	struct channel_flow *out,
	uint32_t max,
	uint64_t *cursor,
	unsigned timeout_ms
);
