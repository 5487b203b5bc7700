// SPDX-License-Identifier: Apache-2.0
// Stage: what a device's profile says about its records. Finds (config/finding.h), and leaves what
// is to be done to the profile's actions.
//
//   of itself      null, missing, not finite, type, range, unit          always
//   of its time    too old, in the future, late                          with a device time
//   of its order   out of order, sequence gap                            with a device state
//   of its past    rate of change, stuck, unusual; alerts                with a device state
//
// Late lane: a record beyond late_after_s is judged of itself and its time only. It neither reads
// nor writes order or field states and raises no alert. The same goes for records from the future
// and too old ones, and for field states of records out of order. All records of a message are
// judged of themselves before any changes a state; in between, a message with late records is asked
// to wait if their share of egress is used up (pipelines/late_lane.h).
// Thread: the worker's own.
#pragma once

#include <stdint.h>

struct pipeline;

void validate_burst(struct pipeline *p, uint16_t from, uint16_t to);
