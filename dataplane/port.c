// SPDX-License-Identifier: Apache-2.0
#include "dataplane/port.h"
#include "dataplane/xdp.h"

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_random.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

// "net_af_xdp0,iface=slu0" is the ethdev "net_af_xdp0"; a PCI address is its own name.
static void device_name(const char *device, char *name, size_t len) {
	snprintf(name, len, "%.*s", (int)strcspn(device, ","), device);
}

static bool device_argument(const char *device, const char *key, char *value, size_t len) {
	const char *p = strstr(device, key);

	if (p == nullptr || p == device || p[-1] != ',')
		return false;
	p += strlen(key);
	snprintf(value, len, "%.*s", (int)strcspn(p, ","), p);
	return true;
}

int ports_prepare(const struct config *c, char *why, size_t why_len) {
	char iface[CONFIG_NAME_MAX];

	for (uint32_t p = 0; p < c->port_count; p++) {
		for (uint32_t d = 0; d < c->ports[p].device_count; d++) {
			const char *device = c->ports[p].devices[d];
			if (strncmp(device, "net_af_xdp", 10) != 0
			    || !device_argument(device, "iface=", iface, sizeof(iface)))
				continue;
			int ret = xdp_detach(iface);
			if (ret == 0 || ret == -EOPNOTSUPP)
				continue;
			snprintf(
				why,
				why_len,
				"port %s: interface %s: %s%s",
				c->ports[p].name,
				iface,
				strerror(-ret),
				ret == -ENODEV ? " (in the lab: appliance/lab up makes it)" : ""
			);
			return ret;
		}
	}
	return 0;
}

static unsigned interface_rx_queues(const char *name) {
	char path[128];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", name);
	DIR *d = opendir(path);
	if (d == nullptr)
		return 0;
	for (struct dirent *e = readdir(d); e != nullptr; e = readdir(d))
		n += strncmp(e->d_name, "rx-", 3) == 0;
	closedir(d);
	return n;
}

// AF_XDP wants each packet buffer, our notes about the frame included, within a page; the memory
// pool makes it an odd number of cache lines, its header of one included: 63 of the page's 64.
#define XDP_MTU_MAX                                                                                \
	(62 * RTE_CACHE_LINE_SIZE - sizeof(struct rte_mbuf) - PACKET_PRIV_SIZE                     \
	 - RTE_PKTMBUF_HEADROOM - PORT_XDP_HEADROOM - PORT_LINK_BYTES)
static_assert(XDP_MTU_MAX == 3366, "config/schema.c and docs/config.md say so");

// A kernel queue that no AF_XDP socket is bound to keeps its packets from us without a word.
static int af_xdp_check(const struct config_port *c, char *why, size_t why_len) {
	char iface[CONFIG_NAME_MAX] = "";
	unsigned bound = 0;

	for (uint32_t d = 0; d < c->device_count; d++) {
		char count[16] = "1";
		unsigned n;
		if (strncmp(c->devices[d], "net_af_xdp", 10) != 0)
			continue;
		device_argument(c->devices[d], "iface=", iface, sizeof(iface));
		device_argument(c->devices[d], "queue_count=", count, sizeof(count));
		bound += sscanf(count, "%u", &n) == 1 ? n : 1;
	}
	if (iface[0] == '\0')
		return 0;
	if (c->mtu > XDP_MTU_MAX) {
		snprintf(
			why,
			why_len,
			"port %s: mtu %u: AF_XDP takes up to %zu",
			c->name,
			c->mtu,
			XDP_MTU_MAX
		);
		return -EINVAL;
	}
	unsigned have = interface_rx_queues(iface);
	if (have == bound)
		return 0;
	snprintf(
		why,
		why_len,
		have == 0 ? "port %s: there is no network interface '%s'"
			  : "port %s: interface %s has %u receive queues and %u are bound; traffic "
			    "of an "
			    "unbound queue is lost: add devices or 'ethtool -L %s combined %u'",
		c->name,
		iface,
		have,
		bound,
		iface,
		bound
	);
	return -EINVAL;
}

static bool is_virtual_software(const char *driver) {
	// Drivers that move frames by the CPU: no checksum to trust, none to save.
	static const char *const names[] = {
		"net_af_xdp", "net_tap", "net_memif", "net_pcap", "net_ring", "net_null"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(driver, names[i]) == 0)
			return true;
	return false;
}

static void
rss_request(const struct rte_eth_dev_info *info, struct port *p, struct rte_eth_conf *conf) {
	// The owner of a flow is computed from addresses and ports; a NIC that would hash addresses
	// only must not be followed.
	uint64_t wanted = RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV4_TCP
		| RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
	uint64_t have = info->flow_type_rss_offloads & wanted;
	uint32_t len = info->hash_key_size != 0 ? info->hash_key_size : 40;

	if (have != wanted || info->reta_size == 0 || info->reta_size > RTE_DIM(p->reta)
	    || len > sizeof(p->rss_key))
		return;
	for (uint32_t i = 0; i < len; i++)
		p->rss_key[i] = (uint8_t)rte_rand();
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_key = p->rss_key;
	conf->rx_adv_conf.rss_conf.rss_key_len = (uint8_t)len;
	conf->rx_adv_conf.rss_conf.rss_hf = have;
	p->net.rss = true;
	p->net.rss_key = p->rss_key;
	p->net.rss_key_len = len;
	p->net.reta = p->reta;
	p->net.reta_size = info->reta_size;
}

static int reta_program(struct port *p, uint16_t ethdev, uint16_t queues) {
	struct rte_eth_rss_reta_entry64 conf[RTE_DIM(p->reta) / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (uint32_t i = 0; i < p->net.reta_size; i++) {
		p->reta[i] = (uint16_t)(i % queues);
		conf[i / RTE_ETH_RETA_GROUP_SIZE].mask |= 1ull << i % RTE_ETH_RETA_GROUP_SIZE;
		conf[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = p->reta[i];
	}
	return rte_eth_dev_rss_reta_update(ethdev, conf, (uint16_t)p->net.reta_size);
}

// The socket that is there now and was not before; -1 if there is not exactly one.
static int socket_new(const int *before, unsigned before_count) {
	int now[PORT_QUEUES_MAX * CONFIG_PORTS_MAX], found = -1;
	unsigned count = xdp_sockets(now, RTE_DIM(now));

	for (unsigned i = 0; i < count; i++) {
		bool old = false;
		for (unsigned k = 0; k < before_count; k++)
			old |= before[k] == now[i];
		if (old)
			continue;
		if (found >= 0)
			return -1;
		found = now[i];
	}
	return found;
}

static int queues_start(
	const struct config *c,
	uint16_t ethdev,
	uint16_t queues,
	struct rte_mempool *const *pools,
	struct port *p
) {
	uint16_t rx = (uint16_t)c->dataplane.rx_descriptors;
	uint16_t tx = (uint16_t)c->dataplane.tx_descriptors;
	int ret = rte_eth_dev_adjust_nb_rx_tx_desc(ethdev, &rx, &tx);

	for (uint16_t q = 0; q < queues && ret == 0; q++) {
		uint16_t worker = (uint16_t)((p->queue_count + q) % c->dataplane.workers);
		int socket = rte_eth_dev_socket_id(ethdev);
		int sockets[PORT_QUEUES_MAX * CONFIG_PORTS_MAX];
		unsigned count = xdp_sockets(sockets, RTE_DIM(sockets));
		ret = rte_eth_rx_queue_setup(
			ethdev, q, rx, (unsigned)socket, nullptr, pools[worker]
		);
		if (p->queue_count + q < PORT_QUEUES_MAX)
			p->queues[p->queue_count + q].fd = socket_new(sockets, count);
		if (ret == 0)
			ret = rte_eth_tx_queue_setup(ethdev, q, tx, (unsigned)socket, nullptr);
	}
	return ret;
}

// One ethdev of a port: as many queues as there are workers, if it has them.
static int ethdev_start(
	const struct config *c,
	uint16_t ethdev,
	struct rte_mempool *const *pools,
	struct port *p
) {
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int ret = rte_eth_dev_info_get(ethdev, &info);

	if (ret != 0)
		return ret;
	bool software = is_virtual_software(info.driver_name);
	uint16_t queues = (uint16_t)c->dataplane.workers;
	if (p->config->device_count > 1 || queues > info.max_rx_queues
	    || queues > info.max_tx_queues || software)
		queues = 1;
	if (queues > 1)
		rss_request(&info, p, &conf);
	if (queues > 1 && !p->net.rss)
		queues = 1;

	uint64_t rx_csum = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM
		| RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
	uint64_t tx_csum = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM
		| RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	p->net.rx_checksum = !software && (info.rx_offload_capa & rx_csum) == rx_csum;
	p->net.tx_checksum = !software && (info.tx_offload_capa & tx_csum) == tx_csum;
	conf.rxmode.offloads = p->net.rx_checksum ? rx_csum : 0;
	conf.txmode.offloads = p->net.tx_checksum ? tx_csum : 0;
	if (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;

	ret = rte_eth_dev_configure(ethdev, queues, queues, &conf);
	if (ret != 0)
		return ret;
	// Virtual ports may not support changing the MTU; then the interface's own holds.
	ret = rte_eth_dev_set_mtu(ethdev, p->net.mtu);
	if (ret != 0 && !software)
		return ret;
	ret = queues_start(c, ethdev, queues, pools, p);
	if (ret == 0)
		ret = rte_eth_dev_start(ethdev);
	if (ret == 0 && p->net.rss)
		ret = reta_program(p, ethdev, queues);
	if (ret != 0)
		return ret;
	// Multicast (neighbour discovery, CoAP groups) must reach us; not every PMD knows how to
	// ask.
	(void)rte_eth_allmulticast_enable(ethdev);
	if (p->config->promiscuous || p->config->role == PORT_MIRROR)
		(void)rte_eth_promiscuous_enable(ethdev);
	for (uint16_t q = 0; q < queues; q++) {
		struct port_queue *at = &p->queues[p->queue_count++];
		at->ethdev = ethdev;
		at->queue = q;
	}
	return 0;
}

// The TAP twin has the port's MAC, so that the kernel's addresses live on the same wire.
static int
exception_open(const struct config *c, uint16_t index, struct rte_mempool *pool, struct port *p) {
	char name[32], arguments[128], mac[RTE_ETHER_ADDR_FMT_SIZE];
	uint16_t ethdev;
	struct rte_eth_conf conf = {0};

	rte_ether_format_addr(mac, sizeof(mac), &p->net.mac);
	snprintf(name, sizeof(name), "net_tap_x%u", index);
	snprintf(arguments, sizeof(arguments), "iface=%s,mac=%s", p->config->exception_tap, mac);
	int ret = rte_eal_hotplug_add("vdev", name, arguments);
	if (ret == 0)
		ret = rte_eth_dev_get_port_by_name(name, &ethdev);
	if (ret == 0)
		ret = rte_eth_dev_configure(ethdev, 1, 1, &conf);
	if (ret == 0)
		ret = rte_eth_rx_queue_setup(ethdev, 0, 512, SOCKET_ID_ANY, nullptr, pool);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(ethdev, 0, 512, SOCKET_ID_ANY, nullptr);
	if (ret == 0)
		ret = rte_eth_dev_start(ethdev);
	if (ret != 0)
		return ret;
	(void)rte_eth_dev_set_mtu(ethdev, p->net.mtu);
	p->exception_ethdev = ethdev;
	p->net.exception = true;
	return 0;
}

int port_open(
	const struct config *c,
	uint16_t index,
	struct rte_mempool *const *pools,
	struct port *out,
	char *why,
	size_t why_len
) {
	const struct config_port *pc = &c->ports[index];
	int ret;

	*out = (struct port) {.config = pc, .exception_ethdev = UINT16_MAX};
	out->net.mtu = (uint16_t)pc->mtu;
	out->net.transmits = pc->role == PORT_ENDPOINT;
	ret = af_xdp_check(pc, why, why_len);
	if (ret != 0)
		return ret;
	for (uint32_t d = 0; d < pc->device_count; d++) {
		char name[RTE_ETH_NAME_MAX_LEN];
		uint16_t ethdev;
		device_name(pc->devices[d], name, sizeof(name));
		ret = rte_eth_dev_get_port_by_name(name, &ethdev);
		if (ret == 0) {
			out->ethdevs[out->ethdev_count++] = ethdev;
			ret = ethdev_start(c, ethdev, pools, out);
		}
		if (ret == 0 && d == 0)
			ret = rte_eth_macaddr_get(ethdev, &out->net.mac);
		if (ret != 0) {
			snprintf(
				why,
				why_len,
				"port %s: device '%s' did not start: %s",
				pc->name,
				pc->devices[d],
				rte_strerror(-ret)
			);
			port_close(out);
			return ret;
		}
	}
	if (pc->exception_tap[0] == '\0')
		return 0;
	ret = exception_open(c, index, pools[0], out);
	if (ret != 0) {
		snprintf(
			why,
			why_len,
			"port %s: exception port '%s' did not start: %s (is /dev/net/tun there?)",
			pc->name,
			pc->exception_tap,
			rte_strerror(-ret)
		);
		port_close(out);
	}
	return ret;
}

void port_close(struct port *p) {
	if (p->exception_ethdev != UINT16_MAX) {
		rte_eth_dev_stop(p->exception_ethdev);
		rte_eth_dev_close(p->exception_ethdev);
		p->exception_ethdev = UINT16_MAX;
	}
	for (uint16_t i = 0; i < p->ethdev_count; i++) {
		rte_eth_dev_stop(p->ethdevs[i]);
		rte_eth_dev_close(p->ethdevs[i]);
	}
	p->ethdev_count = 0;
	p->queue_count = 0;
}

void port_lost_update(const struct port *p, struct port_lost *lost) {
	uint64_t now[3] = {0};
	uint64_t *sums[3] = {&lost->missed, &lost->no_mbuf, &lost->errors};

	for (uint16_t i = 0; i < p->ethdev_count; i++) {
		struct rte_eth_stats s;
		if (rte_eth_stats_get(p->ethdevs[i], &s) != 0)
			continue;
		now[0] += s.imissed;
		now[1] += s.rx_nombuf;
		now[2] += s.ierrors;
	}
	for (int k = 0; k < 3; k++) {
		if (now[k] > lost->last[k])
			*sums[k] += now[k] - lost->last[k];
		lost->last[k] = now[k];
	}
}
