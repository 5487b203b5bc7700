// SPDX-License-Identifier: Apache-2.0
// What no single option can tell: each check is one sentence for the operator.
#include "config/address.h"
#include "config/build.h"
#include "config/nearest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OF(b, field, element) build_line_in(b, field, element)

// --- names

// Every list element begins with its name.
static void
names_check(struct build *b, const char *what, const void *array, uint32_t count, size_t size) {
	const char *at = array;

	for (uint32_t i = 0; i < count; i++) {
		const char *name = at + i * size;
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(name, at + j * size) != 0)
				continue;
			report_add(
				b->report,
				build_line(b, name),
				"%s: the name '%s' is taken",
				what,
				name
			);
			break;
		}
	}
}

static void all_names_check(struct build *b) {
	const struct config *c = b->config;

	names_check(b, "ports", c->ports, c->port_count, sizeof(c->ports[0]));
	names_check(b, "listeners", c->listeners, c->listener_count, sizeof(c->listeners[0]));
	names_check(b, "profiles", c->profiles, c->profile_count, sizeof(c->profiles[0]));
	names_check(b, "topics", c->topics, c->topic_count, sizeof(c->topics[0]));
	names_check(b, "routes", c->routes, c->route_count, sizeof(c->routes[0]));
	names_check(b, "mqtt.users", c->mqtt.users, c->mqtt.user_count, sizeof(c->mqtt.users[0]));
}

// --- the appliance

static void directory_check(struct build *b, const char *name, const char *path) {
	if (path[0] != '/')
		report_add(b->report, build_line(b, path), "%s: must be an absolute path", name);
}

static bool cpu_in(const uint32_t *list, uint32_t count, uint32_t cpu) {
	for (uint32_t i = 0; i < count; i++)
		if (list[i] == cpu)
			return true;
	return false;
}

static void cpus_check(struct build *b) {
	const struct config *c = b->config;
	uint32_t line = build_line(b, c->dataplane.lcores);

	if (c->dataplane.lcore_count != 0 && c->dataplane.lcore_count != c->dataplane.workers)
		report_add(
			b->report,
			line,
			"dataplane.lcores: names %" PRIu32 " CPUs for %" PRIu32 " workers",
			c->dataplane.lcore_count,
			c->dataplane.workers
		);
	for (uint32_t i = 0; i < c->dataplane.lcore_count; i++) {
		uint32_t cpu = c->dataplane.lcores[i];
		if (cpu_in(c->dataplane.lcores, i, cpu))
			report_add(
				b->report,
				line,
				"dataplane.lcores: CPU %" PRIu32 " stands here twice",
				cpu
			);
		if (cpu_in(c->dataplane.housekeeping, c->dataplane.housekeeping_count, cpu))
			report_add(
				b->report,
				build_line(b, c->dataplane.housekeeping),
				"dataplane.housekeeping: CPU %" PRIu32 " belongs to a worker",
				cpu
			);
	}
}

// --- routes

// A packed partition needs a batch that is being filled and one that is on its way.
static void pack_check(struct build *b, const struct config_route *r) {
	const struct config *c = b->config;
	uint32_t partitions = c->topics[r->topic].partitions;
	uint32_t line = build_line_in(b, &r->pack, r);

	if (r->pack < 2)
		return;
	if (r->encoding == ENCODING_ORIGINAL)
		report_add(
			b->report,
			line,
			"route '%s': original bytes cannot be packed, their headers belong to one "
			"message: use encoding json or protobuf",
			r->name
		);
	if (2 * partitions > c->egress.batches)
		report_add(
			b->report,
			line,
			"route '%s': packing for %" PRIu32 " partitions needs egress.batches of "
			"at least %" PRIu32 ", it is %" PRIu32,
			r->name,
			partitions,
			2 * partitions,
			c->egress.batches
		);
}

static void routes_check(struct build *b) {
	for (uint32_t i = 0; i < b->config->route_count; i++)
		pack_check(b, &b->config->routes[i]);
}

// --- ports and addresses

static void port_check(struct build *b, uint32_t index) {
	const struct config *c = b->config;
	const struct config_port *p = &c->ports[index];
	uint32_t addresses = 0;

	for (uint32_t i = 0; i < c->interface_count; i++)
		if (c->interfaces[i].port == index)
			addresses += c->interfaces[i].address_count;
	if (p->role == PORT_ENDPOINT && addresses == 0)
		report_add(
			b->report,
			build_line(b, p),
			"port '%s' is an endpoint and has no address: give interfaces[].addresses",
			p->name
		);
	if (p->role == PORT_MIRROR && addresses != 0)
		report_add(
			b->report,
			build_line(b, p),
			"port '%s' is a mirror, which owns no addresses",
			p->name
		);
	if (p->role == PORT_MIRROR && p->exception_tap[0] != '\0')
		report_add(
			b->report,
			OF(b, p->exception_tap, p),
			"port '%s' is a mirror, which has no exception port",
			p->name
		);
	if (strlen(p->exception_tap) > 15)
		report_add(
			b->report,
			OF(b, p->exception_tap, p),
			"port '%s': Linux interface names have at most 15 letters",
			p->name
		);
	for (uint32_t i = 0; i < index; i++)
		if (p->exception_tap[0] != '\0'
		    && strcmp(p->exception_tap, c->ports[i].exception_tap) == 0)
			report_add(
				b->report,
				OF(b, p->exception_tap, p),
				"port '%s': the TAP '%s' belongs to port '%s'",
				p->name,
				p->exception_tap,
				c->ports[i].name
			);
}

static bool on_link(const struct config_interface *f, const struct ip_prefix *host) {
	for (uint32_t i = 0; i < f->address_count; i++)
		if (ip_prefix_contains(&f->addresses[i], host->family, host->addr))
			return true;
	return host->family == 6 && host->addr[0] == 0xfe && (host->addr[1] & 0xc0) == 0x80;
}

static void
gateway_check(struct build *b, const struct config_interface *f, const struct ip_prefix *gateway) {
	char text[IP_PREFIX_TEXT_MAX];

	if (gateway->family != 0 && !on_link(f, gateway))
		report_add(
			b->report,
			OF(b, gateway, f),
			"gateway %s is in none of the interface's prefixes",
			ip_prefix_format(gateway, text)
		);
}

static bool same_host(const struct ip_prefix *a, const struct ip_prefix *b) {
	return a->family == b->family && memcmp(a->addr, b->addr, a->family == 4 ? 4 : 16) == 0;
}

static bool unspecific(const struct ip_prefix *p) {
	static const uint8_t zero[16];

	if (p->family == 4)
		return memcmp(p->addr, zero, 4) == 0 || p->addr[0] >= 224 || p->addr[0] == 127;
	return memcmp(p->addr, zero, 16) == 0 || p->addr[0] == 0xff;
}

static bool
address_taken(const struct config *c, uint32_t index, uint32_t until, const struct ip_prefix *p) {
	for (uint32_t i = 0; i <= index; i++) {
		const struct config_interface *f = &c->interfaces[i];
		uint32_t n = i == index ? until : f->address_count;
		for (uint32_t k = 0; k < n && f->realm == c->interfaces[index].realm; k++)
			if (same_host(&f->addresses[k], p))
				return true;
	}
	return false;
}

static void interface_check(struct build *b, uint32_t index) {
	const struct config *c = b->config;
	const struct config_interface *f = &c->interfaces[index];
	char text[IP_PREFIX_TEXT_MAX];

	for (uint32_t i = 0; i < index; i++)
		if (c->interfaces[i].port == f->port && c->interfaces[i].vlan == f->vlan)
			report_add(
				b->report,
				OF(b, &f->vlan, f),
				"port '%s' has VLAN %u twice",
				c->ports[f->port].name,
				f->vlan
			);
	for (uint32_t k = 0; k < f->address_count; k++) {
		const struct ip_prefix *p = &f->addresses[k];
		if (unspecific(p))
			report_add(
				b->report,
				OF(b, &f->addresses, f),
				"%s cannot be an address of ours",
				ip_prefix_format(p, text)
			);
		if (address_taken(c, index, k, p))
			report_add(
				b->report,
				OF(b, &f->addresses, f),
				"%s is given twice in realm %u",
				ip_prefix_format(p, text),
				f->realm
			);
	}
	gateway_check(b, f, &f->gateway4);
	gateway_check(b, f, &f->gateway6);
}

// --- listeners

static bool realm_exists(const struct config *c, uint16_t realm) {
	for (uint32_t i = 0; i < c->interface_count; i++)
		if (c->interfaces[i].realm == realm)
			return true;
	return false;
}

static bool address_ours(const struct config *c, uint16_t realm, const struct ip_prefix *p) {
	for (uint32_t i = 0; i < c->interface_count; i++) {
		const struct config_interface *f = &c->interfaces[i];
		for (uint32_t k = 0; k < f->address_count && f->realm == realm; k++)
			if (same_host(&f->addresses[k], p))
				return true;
	}
	return false;
}

// A mirror port listens to what is addressed to somebody else.
static bool has_mirror(const struct config *c) {
	for (uint32_t i = 0; i < c->port_count; i++)
		if (c->ports[i].role == PORT_MIRROR)
			return true;
	return false;
}

static void listener_addresses_check(struct build *b, const struct config_listener *l) {
	const struct config *c = b->config;
	char text[IP_PREFIX_TEXT_MAX];

	if (!realm_exists(c, l->realm))
		report_add(
			b->report,
			OF(b, &l->realm, l),
			"listener '%s': no interface is in realm %u",
			l->name,
			l->realm
		);
	for (uint32_t i = 0; i < l->address_count && !has_mirror(c); i++)
		if (!address_ours(c, l->realm, &l->addresses[i]))
			report_add(
				b->report,
				OF(b, &l->addresses, l),
				"listener '%s': %s is no address of ours in realm %u",
				l->name,
				ip_prefix_format(&l->addresses[i], text),
				l->realm
			);
}

static bool addresses_meet(const struct config_listener *a, const struct config_listener *b) {
	if (a->address_count == 0 || b->address_count == 0)
		return true;
	for (uint32_t i = 0; i < a->address_count; i++)
		for (uint32_t k = 0; k < b->address_count; k++)
			if (same_host(&a->addresses[i], &b->addresses[k]))
				return true;
	return false;
}

static void listener_conflict_check(struct build *b, uint32_t index) {
	const struct config_listener *l = &b->config->listeners[index];

	for (uint32_t i = 0; i < index; i++) {
		const struct config_listener *o = &b->config->listeners[i];
		bool tcp = l->protocol == LISTEN_MQTT;
		if (o->port != l->port || o->realm != l->realm
		    || (o->protocol == LISTEN_MQTT) != tcp || !addresses_meet(o, l))
			continue;
		report_add(
			b->report,
			OF(b, &l->port, l),
			"listener '%s': %s port %u is taken by listener '%s'",
			l->name,
			tcp ? "TCP" : "UDP",
			l->port,
			o->name
		);
	}
}

static void listener_auth_check(struct build *b, const struct config_listener *l) {
	uint32_t line = OF(b, &l->auth, l);

	if (l->auth == AUTH_PASSWORD && l->protocol != LISTEN_MQTT)
		report_add(
			b->report, line, "listener '%s': auth: password is for MQTT only", l->name
		);
	// A protected frame authenticates itself; a trust list there only narrows.
	if (l->auth == AUTH_TRUST && l->trust_count == 0 && l->protocol != LISTEN_FRAME)
		report_add(
			b->report,
			line,
			"listener '%s' trusts nobody: give trust: [prefixes]%s, or say auth: none",
			l->name,
			l->protocol == LISTEN_MQTT ? " or auth: password" : ""
		);
	if (l->auth != AUTH_TRUST && l->trust_count != 0)
		report_add(
			b->report,
			OF(b, &l->trust, l),
			"listener '%s': trust has no effect without auth: trust",
			l->name
		);
}

static bool identity_established(const struct config_listener *l) {
	return l->protocol == LISTEN_FRAME || l->protocol == LISTEN_MQTT;
}

static void listener_device_check(struct build *b, const struct config_listener *l) {
	const struct profile *p = l->profile;
	bool path = l->protocol == LISTEN_COAP || l->protocol == LISTEN_MQTT;
	bool keyed =
		l->format == PAYLOAD_JSON || l->format == PAYLOAD_CBOR || l->format == PAYLOAD_LINE;
	uint32_t line = OF(b, &l->profile, l);

	if (p->device_from == DEVICE_FROM_IDENTITY && !identity_established(l))
		report_add(
			b->report,
			line,
			"listener '%s': nothing proves an identity here; profile '%s' must take "
			"the device from payload, path or address",
			l->name,
			p->name
		);
	if (p->device_from == DEVICE_FROM_PATH && !path)
		report_add(
			b->report,
			line,
			"listener '%s': a datagram has no path; profile '%s' must take the device "
			"from elsewhere",
			l->name,
			p->name
		);
	if (p->device_from == DEVICE_FROM_PAYLOAD && l->format == PAYLOAD_RAW)
		report_add(
			b->report,
			line,
			"listener '%s': raw payload names no device; profile '%s' must take it "
			"from elsewhere",
			l->name,
			p->name
		);
	if (p->device_from == DEVICE_FROM_PAYLOAD && keyed && p->hints.device_key.len == 0)
		report_add(
			b->report,
			line,
			"listener '%s': profile '%s' takes the device from the payload: give "
			"device.key",
			l->name,
			p->name
		);
}

static void listener_check(struct build *b, uint32_t index) {
	const struct config_listener *l = &b->config->listeners[index];

	listener_addresses_check(b, l);
	listener_conflict_check(b, index);
	listener_auth_check(b, l);
	listener_device_check(b, l);
}

// --- sink and Kafka

static void lab_only(struct build *b, bool used, const void *what, const char *text) {
	if (used && !b->config->lab)
		report_add(b->report, build_line(b, what), "%s: say lab: yes, or change it", text);
}

static void topic_resolve(struct build *b, const char *option, const char *name, uint16_t *index) {
	struct config *c = b->config;
	struct nearest near;

	nearest_init(&near, name);
	for (uint32_t i = 0; i < c->topic_count; i++) {
		if (strcmp(c->topics[i].name, name) == 0) {
			*index = (uint16_t)i;
			return;
		}
		nearest_offer(&near, c->topics[i].name);
	}
	report_add(
		b->report,
		build_line(b, name),
		"%s: there is no '%.40s' in topics%s%s%s",
		option,
		name,
		near.best != NULL ? "; did you mean '" : "",
		near.best != NULL ? near.best : "",
		near.best != NULL ? "'?" : ""
	);
}

static void topics_resolve(struct build *b) {
	struct config *c = b->config;

	topic_resolve(
		b, "kafka.dead_letter_topic", c->kafka.dead_letter_topic, &c->kafka.dead_letter
	);
	if (c->kafka.alert_topic[0] != '\0')
		topic_resolve(b, "kafka.alert_topic", c->kafka.alert_topic, &c->kafka.alert);
}

// DPDK's driver unmaps the rings of a peer that leaves while a worker may be reading them, and
// tells nobody before.
static void memif_check(struct build *b) {
	struct config *c = b->config;

	for (uint32_t p = 0; p < c->port_count; p++)
		for (uint32_t d = 0; d < c->ports[p].device_count; d++)
			lab_only(
				b,
				strncmp(c->ports[p].devices[d], "net_memif", 9) == 0,
				&c->ports[p],
				"ports[].devices: a peer that leaves a memif can end sluiced"
			);
}

static void egress_check(struct build *b) {
	const struct config *c = b->config;

	if (c->egress.sink == SINK_FILE && c->egress.file_path[0] == '\0')
		report_add(
			b->report,
			build_line(b, &c->egress.sink),
			"egress.sink: file needs egress.file_path"
		);
	if (c->egress.sink == SINK_KAFKA && c->kafka.brokers[0] == '\0')
		report_add(
			b->report,
			build_line(b, &c->egress.sink),
			"kafka.brokers is missing: host:port, or embedded to try it out"
		);
	if (c->egress.in_flight_bytes < c->egress.batch_bytes)
		report_add(
			b->report,
			build_line(b, &c->egress.in_flight_bytes),
			"egress.in_flight_size is smaller than one batch (egress.batch_size)"
		);
	if (c->egress.in_flight_records < c->egress.batch_records)
		report_add(
			b->report,
			build_line(b, &c->egress.in_flight_records),
			"egress.in_flight_records is smaller than one batch (egress.batch_records)"
		);
	lab_only(
		b,
		c->egress.sink == SINK_DISCARD,
		&c->egress.sink,
		"egress.sink: discard throws every record away"
	);
	lab_only(
		b,
		c->egress.sink == SINK_KAFKA && strcmp(c->kafka.brokers, "embedded") == 0,
		c->kafka.brokers,
		"kafka.brokers: embedded Kafka keeps the last 5 MiB per partition only"
	);
	lab_only(
		b,
		c->kafka.accept_weak_topic,
		&c->kafka.accept_weak_topic,
		"kafka.accept_weak_topic: an acknowledged record can be lost with one broker"
	);
}

static void sizes_check(struct build *b) {
	const struct config *c = b->config;

	if (c->mqtt.pool_bytes < c->mqtt.packet_max)
		report_add(
			b->report,
			build_line(b, &c->mqtt.pool_bytes),
			"mqtt.pool is smaller than one packet (mqtt.packet_max)"
		);
	// A batch must hold at least one message whole.
	uint32_t largest = c->mqtt.packet_max > PAYLOAD_MAX ? c->mqtt.packet_max : PAYLOAD_MAX;
	if (c->egress.batch_bytes < largest)
		report_add(
			b->report,
			build_line(b, &c->egress.batch_bytes),
			"egress.batch_size is smaller than one message (%" PRIu32 " bytes)",
			largest
		);
}

// Relative to the file that names it. Whether it can be read is for whoever reads it.
static void signatures_resolve(struct build *b) {
	char *path = b->config->match.signatures;
	char whole[sizeof(b->config->match.signatures)];

	if (path[0] == '\0' || path[0] == '/')
		return;
	int n = snprintf(whole, sizeof(whole), "%s/%s", b->base_dir, path);
	if (n < 0 || (size_t)n >= sizeof(whole)) {
		report_add(
			b->report, build_line(b, path), "match.signatures: the path is too long"
		);
		return;
	}
	memcpy(path, whole, sizeof(whole));
}

void config_check(struct build *b) {
	struct config *c = b->config;

	all_names_check(b);
	directory_check(b, "run_dir", c->run_dir);
	directory_check(b, "state_dir", c->state_dir);
	cpus_check(b);
	routes_check(b);
	for (uint32_t i = 0; i < c->port_count; i++)
		port_check(b, i);
	memif_check(b);
	for (uint32_t i = 0; i < c->interface_count; i++)
		interface_check(b, i);
	for (uint32_t i = 0; i < c->listener_count; i++) {
		c->listeners[i].number = (uint16_t)i;
		listener_check(b, i);
	}
	profiles_check(b);
	topics_resolve(b);
	signatures_resolve(b);
	egress_check(b);
	sizes_check(b);
}
