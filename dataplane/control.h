// SPDX-License-Identifier: Apache-2.0
// The data plane's end of the channel: connects to sluice-controld whenever it is there, takes
// registry changes into the device table, reports devices and counters, keeps a snapshot on disk.
// Main thread; never blocks, and nothing here can stop a worker.
#pragma once

#include "controlplane/api/channel.h"
#include "dataplane/gate.h"

#include <stdbool.h>
#include <stdint.h>

struct auth_registry;
struct config;
struct control;
struct errand;
struct frame_devices;
struct generation_loader;
struct memory_use;
struct signatures;
struct status;
struct why_box;

// Reserves the table of control.devices entries, loads the snapshot of the state directory if there
// is a good one, and makes a gate per worker. The registry's frame keys go into `frames`, which
// outlives it. 0, -ENOMEM.
int control_create(
	const struct config *c,
	uint16_t workers,
	const uint64_t secret[2],
	uint64_t epoch,
	struct frame_devices *frames,
	struct control **out
);
// Saves the snapshot if it is old. Accepts NULL; after the workers have ended.
void control_destroy(struct control *c);

struct gate **control_gates(struct control *c);
struct flow_desk **control_desks(struct control *c); // one per worker
const struct auth_registry *control_passwords(const struct control *c);
struct blocks *control_blocks(struct control *c);

// Who takes files of `kind` (dataplane/loading.h). `loader` must outlive the control.
void control_loader(
	struct control *c,
	enum generation_kind kind,
	const struct generation_loader *loader
);
// Whose figures are reported, and who takes files of signatures. Outlives the control.
void control_signatures(struct control *c, struct signatures *s);
// Who answers requests of `type`, which are `about` something. Both outlive the control.
void control_errand(
	struct control *c,
	enum channel_type type,
	const char *about,
	struct errand *errand
);
// Who answers `why`: one box per worker, which must outlive the control.
void control_why(struct control *c, struct why_box *boxes);
// Before the workers run: `why` they do not yet, a literal. Registry and topics are served; what
// only workers could answer is told why not. nullptr: they will run now; the control plane is
// greeted anew, so that it says again what was not taken.
void control_waits(struct control *c, const char *why);
// A file is on its way to the workers, or an answer is being made: the next turn should come soon.
bool control_loading(const struct control *c);

// A query is under way: come again within a millisecond.
bool control_busy(const struct control *c);

// What to poll for reading besides signals; -1 if not connected.
int control_fd(const struct control *c);
// Connect, read, report: whatever is due. `fresh` says that *s has new figures.
void control_turn(
	struct control *c,
	const struct status *s,
	bool balanced,
	bool fresh,
	uint64_t now_ns
);

bool control_connected(const struct control *c);
uint32_t control_devices(const struct control *c);
struct memory_use control_memory(const struct control *c); // of the device table
