// SPDX-License-Identifier: Apache-2.0
// What one field of one device should be found to be: a naive reading of docs/profiles.md and
// docs/record.md that keeps every sample and looks back over all of them. Shares nothing with
// pipelines/field_alert.c but the profile it reads.
#pragma once

#include "config/profile.h"

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_SAMPLES 8192 // more than any test sends to one field

enum oracle_kind { ORACLE_NUMBER, ORACLE_TEXT };

struct oracle_sample {
	int64_t at_ms; // device time, not modulo anything
	enum oracle_kind kind;
	double number;
	uint64_t text; // stands for the text
	int candidate; // what would be raised if it held for long enough; 0, 'a', 'b', 'u'
};

struct field_oracle {
	struct oracle_sample past[ORACLE_SAMPLES];
	unsigned count;
	unsigned numbers; // of them
	double mean, deviation;
	double mean_error, deviation_error; // what 24 bits instead of 53 may have made of them
	int raised; // 0, 'a', 'b', 'u'
};

struct oracle_says {
	bool rate, stuck;
	bool judged; // not too early for z
	double z;
	double z_error; // it may differ by this much; infinity: by anything
	int cleared, raised; // 0, 'a', 'b', 'u'
};

void field_oracle_reset(struct field_oracle *o);
// What was before is not comparable any more.
void field_oracle_anew(struct field_oracle *o);
// A sample at that device time. Where a decision hangs on z, `z` is believed (what the code under
// test said, if it is close enough to what was worked out here; the test compares).
struct oracle_says field_oracle_sample(
	struct field_oracle *o,
	const struct profile_field *f,
	struct oracle_sample x,
	double z
);
