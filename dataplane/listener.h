// SPDX-License-Identifier: Apache-2.0
// Which listener owns a local address and port: one hash lookup per packet.
//
// Built from a configuration generation by the main thread, then read-only for every worker. A
// listener without addresses takes every address of ours in its realm; a CoAP listener also takes
// the "All CoAP Nodes" groups (RFC 7252 section 12.8).
#pragma once

#include "config/config.h"
#include "dataplane/packet.h"

struct listener_table;

// 0, -ENOMEM, or -EEXIST if two listeners claim the same realm, address, port and protocol: the
// second one's index is then in *culprit. Points into `c`, which must outlive the table.
int listener_table_create(const struct config *c, struct listener_table **out, uint32_t *culprit);
void listener_table_destroy(struct listener_table *t); // accepts NULL

// The listener for a packet that arrived for key->local, NULL if nobody listens there.
const struct config_listener *
listener_lookup(const struct listener_table *t, const struct flow_key *key);

// The same for what is addressed to somebody else: by realm, port and protocol alone. Of several
// listeners on one port the first in the configuration.
const struct config_listener *
listener_lookup_port(const struct listener_table *t, const struct flow_key *key);
