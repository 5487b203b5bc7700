// SPDX-License-Identifier: Apache-2.0
// A file that the control plane announces (configuration, signatures): read whole, compared with
// the announced checksum, handed to the loader of its kind, and followed until every reader uses
// what came of it. Main thread; never waits.
#pragma once

#include "controlplane/api/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOADING_FILE_MAX (16u << 20)

// The file as it was announced. Valid during begin() only.
struct loading_file {
	const char *path;
	const char *text; // terminated
	size_t size;
	uint64_t number;
	uint32_t flags; // enum generation_flag
};

// What becomes of it, as the acknowledgement says it.
struct loading_answer {
	uint64_t number; // of the generation in force
	uint32_t pending; // options that wait for a restart
	char text[CHANNEL_TEXT_MAX]; // a sentence for the operator
};

// Who knows what to do with one kind of file. `answer->number` and `text` are theirs to fill in.
struct generation_loader {
	void *owner;
	// Check it whole and set it going. 0: under way, poll() follows; 1: done with nothing to
	// bring to the readers (checked only, or for the next start); -errno: refused, and what is
	// in force stays.
	int (*begin)(void *owner, const struct loading_file *file, struct loading_answer *answer);
	// -EAGAIN: not everywhere yet. 0: in force everywhere. -errno: refused after all.
	int (*poll)(void *owner, struct loading_answer *answer);
};

struct loading_job {
	const struct generation_loader *loader; // NULL: files of this kind are refused
	bool running;
	uint64_t seq; // of the announcement, for its acknowledgement
	uint64_t began_ns;
};

struct loading {
	struct loading_job jobs[GENERATION_KIND_COUNT];
};

// An announcement came. True if *ack is the answer already: refused, checked, or another file of
// this kind is still on its way (-EBUSY).
bool loading_begin(
	struct loading *l,
	const struct channel_generation *g,
	uint64_t seq,
	uint64_t now_ns,
	struct channel_ack *ack
);
// Every turn. True if a job of `kind` has ended: *ack answers *seq.
bool loading_turn(
	struct loading *l,
	enum generation_kind kind,
	uint64_t now_ns,
	uint64_t *seq,
	struct channel_ack *ack
);
