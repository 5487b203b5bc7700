// SPDX-License-Identifier: Apache-2.0
// What the files of control_*.c share: the connection and how to say something over it. Each takes
// the messages of one subject; control.c has the connection and dispatches. Main thread.
#pragma once

#include "config/config.h"
#include "controlplane/api/channel.h"
#include "dataplane/control.h"
#include "dataplane/errand.h"
#include "dataplane/flow_desk.h"
#include "dataplane/loading.h"
#include "dataplane/mqtt/auth_registry.h"
#include "dataplane/quiet_timer.h"
#include "dataplane/why.h"

#include <stdbool.h>
#include <stdint.h>

#define CONTROL_REPORTS_PER_TURN 2048

// A question to the workers' desks.
struct control_question {
	bool open;
	bool ended; // all desks have answered; the end has to be told
	bool abandoned; // nobody waits for it any more
	enum flow_desk_kind kind;
	uint16_t worker; // being asked
	uint64_t seq;
	uint64_t from; // place at the first worker
	uint64_t hits;
	uint32_t left; // of a list
	uint32_t held_count;
	struct channel_flow_query filter;
	struct channel_flow held[CHANNEL_MESSAGE_MAX / sizeof(struct channel_flow)];
};

#define CONTROL_CROWDS 64

// An address whose ban was declined: until then the answer stays, said once.
struct control_crowd {
	struct channel_address peer;
	uint64_t until_ns; // monotonic, 0: free
	uint32_t devices; // in good standing behind it
	uint32_t asked; // since it was said
};

#define CONTROL_ERRANDS 2

// Who answers requests of a type.
struct control_errand {
	enum channel_type type;
	bool busy; // a request is being worked on
	const char *about;
	struct errand *errand; // borrowed
};

struct control {
	const struct config *config;
	struct device_table *table;
	struct blocks *blocks;
	struct claims *claims;
	struct auth_registry *passwords;
	struct frame_devices *frames; // borrowed
	struct flow_book *books[WORKERS_MAX];
	struct flow_desk *desks[WORKERS_MAX];
	struct control_question question, question_next;
	struct signatures *signatures; // NULL: none yet
	uint32_t ban_devices_max;
	struct control_crowd crowds[CONTROL_CROWDS];
	struct gate *gates[WORKERS_MAX];
	struct gate *gate_memory;
	uint16_t workers;
	uint64_t epoch;
	char socket_path[300];
	char snapshot_path[300];
	char blocks_path[300];
	char secrets_path[300];
	int fd;
	bool greeted;
	const char *waits; // why the workers do not run yet, nullptr: they do
	uint64_t seq;
	uint64_t connect_due_ns, report_due_ns;
	struct quiet_timer snapshot;
	uint64_t peer_registry_id;
	uint64_t began_ns; // of the transfer in progress
	struct loading loading;
	uint64_t number; // of the configuration in force, 0: the file of the start
	struct control_errand errands[CONTROL_ERRANDS]; // none in a replay
	uint32_t errand_count;
	struct why_box *why; // borrowed, one per worker; nullptr in a replay
	uint64_t why_seq; // of the question in progress, 0: none
	uint64_t why_until_ns;
	char *text; // owned: an answer on its way
	size_t text_len, text_at;
	uint64_t text_seq; // of the request
	int connect_errno; // of the last try, to say it once
	bool full; // the table, said once
	bool blocks_old; // the file is older than the blocks
	uint64_t claims_registry; // whose numbers the claim sets have
	bool labels_full; // said once
	bool claims_open, claims_full, passwords_full, frame_keys_full;
	bool whole; // the transfer in progress replaces everything
	struct device_report reports[CONTROL_REPORTS_PER_TURN];
	_Alignas(8) uint8_t out[CHANNEL_MESSAGE_MAX];
	_Alignas(8) uint8_t in[CHANNEL_MESSAGE_MAX];
};

uint64_t control_monotonic_ns(void);

// Where the elements of the next message are written.
static inline void *control_element(struct control *c) {
	return c->out + sizeof(struct channel_header);
}

// Send what stands in control_element(). What does not fit into the socket is lost: reports are
// repeated, an unread acknowledgement makes the control plane ask again after its time.
bool control_send(
	struct control *c,
	enum channel_type type,
	uint16_t count,
	uint16_t flags,
	uint64_t seq
);
// Answer a message; `format` says why not, or what was done.
[[gnu::format(printf, 6, 7)]] void control_ack(
	struct control *c,
	uint64_t seq,
	enum channel_type type,
	int result,
	uint64_t number,
	const char *format,
	...
);

// --- control_devices.c

void control_snapshot_load(struct control *c);
// `give_way`: put off for later if a message comes meanwhile.
void control_snapshot_save(struct control *c, bool give_way);
// *s is of now: before anything is taken from the channel.
void control_labels_passed(struct control *c, const struct status *s);
void control_take_registry(struct control *c, const struct channel_message *m);

// --- control_secrets.c: claims and credentials

void control_secrets_load(struct control *c);
void control_secrets_save(struct control *c);
void control_take_claims(struct control *c, const struct channel_message *m);
void control_take_credentials(struct control *c, const struct channel_message *m);
// A device's record came or went: what it had may have changed.
void control_secrets_doubt(struct control *c, const struct channel_device *d);
void control_secrets_whole(struct control *c); // everything follows
void control_secrets_end(struct control *c); // of a transfer

// --- control_frame_keys.c

// Takes a credential that is a key of frames, 0 or -errno. Says once what does not fit.
int control_frame_key(struct control *c, const struct channel_credential *k);
void control_frame_keys_settle(struct control *c);
// For the snapshot: the next key from *at on (0 at first); false at the end.
bool control_frame_keys_next(const struct control *c, uint32_t *at, struct channel_credential *k);

// --- control_blocks.c

void control_blocks_load(struct control *c);
void control_blocks_guard(struct control *c); // before a ban is made
// Takes what workers asked for, ends what is over, saves what changed, reports bans of signatures.
void control_blocks_turn(struct control *c);
void control_blocks_connected(struct control *c); // what was reported may have been lost
void control_take_blocks(struct control *c, const struct channel_message *m);

// --- control_generation.c

void control_take_generation(struct control *c, const struct channel_message *m);
void control_loading_turn(struct control *c); // acknowledges what has come to an end

// --- control_errands.c

void control_take_errand(struct control *c, const struct channel_message *m);
void control_errands_turn(struct control *c);
bool control_errands_busy(const struct control *c);

// --- control_text.c

// Answer request `seq` with a text, which becomes the control's. False: another one is on its way,
// try again next turn.
bool control_text(struct control *c, char *text, uint64_t seq);
void control_text_turn(struct control *c);
void control_text_end(struct control *c);

// --- control_why.c

void control_take_why(struct control *c, const struct channel_message *m);
void control_why_turn(struct control *c);

// --- control_flows.c

void control_take_flow_list(struct control *c, const struct channel_message *m);
void control_take_flow_action(struct control *c, const struct channel_message *m);
void control_flows_turn(struct control *c);
void control_flows_disconnected(struct control *c);

// --- control_reports.c

void control_report(struct control *c); // events
void control_waits_send(struct control *c); // instead of counters
void control_counters_send(struct control *c, const struct status *s, bool balanced);
