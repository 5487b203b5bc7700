// SPDX-License-Identifier: Apache-2.0
#include "dataplane/net/stack.h"

enum drop_reason ip6_input(struct net *n, struct rte_mbuf *m) {
	return net_unwanted(n, m, DROP_ETHERTYPE);
}
bool ip6_prepend(struct net *n, struct rte_mbuf *m, const struct ip6_fields *f) {
	return false;
}
bool icmp6_error_parse(struct rte_mbuf *m, struct net_icmp_error *e) {
	return false;
}
void icmp6_error_send(
	struct net *n,
	struct rte_mbuf *m,
	uint8_t type,
	uint8_t code,
	uint32_t pointer
) {}
void nd_solicit(
	struct net *n,
	const struct net_interface *i,
	const uint8_t target[16],
	const uint8_t *mac
) {}
void nd_announce(struct net *n, const struct net_interface *i, const uint8_t own[16], bool probe) {}
enum drop_reason nd_overheard(struct net *n, struct rte_mbuf *m) {
	return DROP_ND_BAD;
}
