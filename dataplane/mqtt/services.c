// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "dataplane/datagram.h"
#include "dataplane/mqtt/services.h"

#include <rte_common.h>

#include <string.h>

// Deadlines are counted in milliseconds of 31 bits.
static uint32_t session_expiry_max(const struct config *c) {
	return RTE_MIN(c->mqtt.session_expiry_max_s, 20u * 86400);
}

struct mqtt_live mqtt_live_of(const struct config *c) {
	return (struct mqtt_live) {
		.keep_alive_max_s = (uint16_t)c->mqtt.keep_alive_max_s,
		.session_expiry_max_s = session_expiry_max(c),
		.publish_rate = c->mqtt.publish_rate,
		.connect_rate = c->mqtt.connect_rate,
	};
}

uint32_t mqtt_adapter_sessions(const struct config *c) {
	uint32_t stored = c->mqtt.stored_sessions;

	return c->mqtt.connections + (stored > 0 ? stored : c->mqtt.connections / 2);
}

void mqtt_limits_of(const struct config *c, struct mqtt_config *m) {
	m->sessions = mqtt_adapter_sessions(c);
	m->active = RTE_MIN(m->sessions, c->mqtt.busy_connections);
	m->in_flight = c->egress.in_flight_records + m->active;
	m->inflight_max = (uint16_t)c->mqtt.inflight_max;
	m->packet_max = c->mqtt.packet_max;
	m->alias_max = (uint16_t)c->mqtt.topic_alias_max;
	m->user_properties_max = (uint16_t)c->mqtt.user_properties_max;
	m->keep_alive_max_s = (uint16_t)c->mqtt.keep_alive_max_s;
	m->session_expiry_max_s = session_expiry_max(c);
	m->publish_rate = c->mqtt.publish_rate;
	m->connect_rate = c->mqtt.connect_rate;
	m->pool_bytes = c->mqtt.pool_bytes;
	m->will_bytes = c->mqtt.pool_bytes / 4;
}

struct mqtt_listener mqtt_listener_of(const struct config_listener *l) {
	const char *commands = l->profile->commands;

	return (struct mqtt_listener) {
		.unknown = listener_unknown_rule(l),
		.profile = l->profile,
		.format = l->format,
		.tenant = l->realm,
		.password = l->auth == AUTH_PASSWORD,
		.subscribe = l->profile->subscribe,
		.own_filter = view_of(commands, (uint32_t)strlen(commands)),
	};
}

static void service_add(
	struct mqtt_services *list,
	const struct config *c,
	uint32_t place,
	uint16_t port,
	const struct config_interface *i,
	const struct ip_prefix *address
) {
	if (list->count == MQTT_SERVICES_MAX)
		return;
	struct tcp_service *s = &list->at[list->count++];
	*s = (struct tcp_service) {
		.port = port,
		.realm = i->realm,
		.family = address->family,
		.listener = (uint8_t)place,
		.mtu = (uint16_t)c->ports[i->port].mtu,
	};
	memcpy(s->address, address->addr, address->family == 4 ? 4 : 16);
}

static bool listens_on(const struct config_listener *l, const struct ip_prefix *address) {
	for (uint32_t i = 0; i < l->address_count; i++)
		if (l->addresses[i].family == address->family
		    && memcmp(l->addresses[i].addr, address->addr, address->family == 4 ? 4 : 16)
			    == 0)
			return true;
	return l->address_count == 0;
}

void mqtt_services_of(
	const struct config *c,
	const struct mqtt_places *places,
	uint32_t from,
	struct mqtt_services *out
) {
	out->count = 0;
	for (uint32_t p = from; p < places->count; p++) {
		const struct config_listener *l = places->at[p];
		for (uint32_t n = 0; l != nullptr && n < c->interface_count; n++) {
			const struct config_interface *i = &c->interfaces[n];
			for (uint32_t k = 0; k < i->address_count; k++)
				if (i->realm == l->realm && listens_on(l, &i->addresses[k]))
					service_add(out, c, p, l->port, i, &i->addresses[k]);
		}
	}
}

bool mqtt_services_fit(const struct config *c, const struct mqtt_places *places) {
	struct mqtt_services all;

	mqtt_services_of(c, places, 0, &all);
	return all.count < MQTT_SERVICES_MAX;
}
