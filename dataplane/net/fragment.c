// SPDX-License-Identifier: Apache-2.0
#include "dataplane/net/stack.h"

int fragment_init(struct net *n) {
	return 0;
}
void fragment_fini(struct net *n) {}
enum drop_reason fragment_input4(struct net *n, struct rte_mbuf *m) {
	return DROP_FRAGMENT_BAD;
}
uint64_t fragment_poll(struct net *n, uint64_t now_ns) {
	return UINT64_MAX;
}
