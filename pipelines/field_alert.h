// SPDX-License-Identifier: Apache-2.0
// One field of one device over time, in 32 bytes: how fast it changes, how long it has stood still,
// and whether it is where it should be.
//
//   quiet --- condition --> waiting --- it held for for_ms --> raised --- clear bound --> quiet
//                              `--- it ended --> quiet
//
// One alert per field at a time. A threshold goes before `unusual`: if a field that was raised as
// unusual stays beyond a threshold, the one is cleared and the other raised.
//
// unusual: |x - mean| / deviation, both exponentially weighted; deviation is 1.2533 times the mean
// absolute difference, which is the standard deviation of a normal distribution. They take in a
// sample clipped to mean +- 3 deviations, so that an outlier hardly moves them, and during the
// first `warmup` samples weigh all samples alike. The deviation is never less than 1/1024 of the
// mean: the last digit of a steady sensor is no news. Pure. Thread: the owner of the state.
#pragma once

#include "config/profile.h"
#include "pipelines/device_state.h"

enum alert_kind : uint8_t { ALERT_NONE, ALERT_ABOVE, ALERT_BELOW, ALERT_UNUSUAL };

// What one sample says, beside the new state.
struct field_judgement {
	bool rate; // it changed faster than it can
	bool stuck; // it has been the very same for too long
	bool unusual; // beyond z_raise, after the warm-up
	double z; // 0 during the warm-up
	enum alert_kind cleared, raised; // in this order
};

// A value as the state keeps it. False: this kind of value is not followed.
struct sample {
	uint64_t bits; // equal for equal values
	double number;
	bool is_number;
	bool rounded; // an integer that is not quite `number`: others have the same bits
};
bool sample_of(const struct value *v, struct sample *out);

// `x` came at `at_ms`; earlier than the last one counts as at the same time. After more than
// FIELD_SPAN_MS nothing is compared with what was before, but an alert that is raised stays so
// until a sample clears it. Times wrap after 34 years.
struct field_judgement field_sample(
	const struct profile_field *f,
	struct field_state *s,
	const struct sample *x,
	int64_t at_ms
);

// The clock has become another one: the next sample is compared with nothing, as above.
void field_anew(struct field_state *s);
