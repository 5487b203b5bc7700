// SPDX-License-Identifier: Apache-2.0
// What a device may claim beyond being itself, as its profile says. Pure; the worker's thread.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>

struct profile;

// May `device`, whom the transport knows, send for `other`?
bool claim_device(const struct profile *p, struct view device, struct view other);
// May it send to that topic or path? Yes if the profile limits none.
bool claim_path(const struct profile *p, struct view device, struct view path);
