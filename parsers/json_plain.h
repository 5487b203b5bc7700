// SPDX-License-Identifier: Apache-2.0
// JSON as devices write it, without a document in between. Pure; any thread.
#pragma once

#include "parsers/readings.h"

// True: the readings of `payload` are in `f`, the very ones that yyjson would have given. False:
// they are more than this reads, or wrong, and what is in `f` has to be taken back; nothing is
// known of the payload then. Linear in its length.
bool json_plain(struct view payload, struct readings_filler *f);
// The same of a SenML pack.
bool senml_json_plain(struct view payload, struct readings_filler *f);
