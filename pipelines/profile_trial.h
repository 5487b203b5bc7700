// SPDX-License-Identifier: Apache-2.0
// What a profile makes of one message: decoded, mapped, and as it would reach Kafka. Runs the
// stages themselves, on a pipeline of its own with a sink that takes everything; for
// `sluiced profile test`. Main thread; allocates.
#pragma once

#include "config/config.h"

#include <stdio.h>

struct profile_trial {
	const struct config_listener *listener; // that it comes in by
	const struct profile *profile; // nullptr: chosen as for any message
	struct view path; // topic or CoAP path
	struct view device; // as the transport knows it; empty: profile finds it
	struct view payload;
	// What the registry would say of the device, whichever it is.
	struct view labels; // parsers/labels.h
	struct view registry_profile;
	int64_t wall_ns; // of arrival
	bool json; // print one JSON object instead of lines
};

// Prints what became of it. Changes `c`: it cannot be used for anything else afterwards. 0, or 1 if
// the message would not be taken; -ENOMEM or -EINVAL.
int profile_trial_run(struct config *c, const struct profile_trial *t, FILE *out);
