// SPDX-License-Identifier: Apache-2.0
// Dead letters for the operator: list them, show one, send them through the pipeline again. A
// thread of its own does it, one request at a time, because Kafka may take its time; it starts with
// the first request.
//
// A letter goes through again under the record id it had, in the ledger of transport `replay`. What
// becomes a dead letter once more counts its `replays`, and neither it nor a letter whose replay
// was accepted is taken again unless the request says so, and never after REPLAYS_MAX: no loops.
// Thread: main, unless said otherwise.
#pragma once

#include "controlplane/api/channel.h"
#include "dataplane/errand.h"
#include "dataplane/letters/lane.h"

#define REPLAYS_MAX 3

struct config;
struct letters;

// The lane must outlive it, the configuration need not. 0, or -errno with `why` for the operator.
int letters_create(
	const struct config *c,
	struct letter_lane *lane,
	struct letters **out,
	char *why,
	size_t why_len
);
// Ends the thread. Accepts NULL; before the lane is destroyed.
void letters_destroy(struct letters *l);

// Whom to ask, with a struct channel_letters. The letters' own.
struct errand *letters_errand(struct letters *l);
