// SPDX-License-Identifier: Apache-2.0
// What the letters thread does for one request: scan the topic, answer as JSON, feed the lane.
#pragma once

#include "dataplane/letters/letters.h"

#include <stdatomic.h>

struct letter_marks;
struct letters_reader;

struct letters_work {
	struct letter_lane *lane;
	struct letters_reader *reader; // owned; nullptr: the sink is not Kafka
	const atomic_bool *stop; // ends a long request sooner
	char marks_path[300];
	struct letter_marks *marks; // owned, opened with the first request
	uint32_t out; // slots the worker has, across requests
};

void letters_work_do(
	struct letters_work *w,
	const struct channel_letters *q,
	struct errand_answer *out
);
void letters_work_end(struct letters_work *w);
