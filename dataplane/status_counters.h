// SPDX-License-Identifier: Apache-2.0
// Counters beyond the ledgers (net, TCP, CoAP, frames, MQTT), added over the workers. Main thread.
#pragma once

#include <yyjson.h>

struct status;

// Adds "counters" to `root`; counters that are zero are left out.
void status_counters_json(const struct status *s, yyjson_mut_doc *doc, yyjson_mut_val *root);
