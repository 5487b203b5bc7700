// SPDX-License-Identifier: Apache-2.0
// Orders of signatures carried out by the worker that gave them: the sender's connection ends, its
// device or address is blocked for a time. Hot: no allocation, lock or system call.
#pragma once

struct match_order;

// `worker` is the struct worker; the shape of match_enforcer.enforce.
void enforce_order(void *worker, const struct match_order *o);
