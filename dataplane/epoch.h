// SPDX-License-Identifier: Apache-2.0
// What names a run and its records for ever, kept in the state directory. Main thread, at start.
#pragma once

#include <stdint.h>

// The appliance epoch: a number that grows with every start of the data plane and never repeats. It
// is in every record (ledger-seq is gap-free within it). The last epoch of `state_dir` plus one, on
// disk (fsync) before it is returned; at least the UNIX time in seconds, so that a lost state
// directory cannot bring an old epoch back. 0/-errno.
int epoch_next(const char *state_dir, uint64_t *epoch);

// The SipHash key that names records of protocols without an identity of their own (CoAP): made at
// the first start, the same ever after. 0/-errno.
int identity_key(const char *state_dir, uint64_t key[2]);
