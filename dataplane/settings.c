// SPDX-License-Identifier: Apache-2.0
#include "dataplane/frame/devices.h"
#include "dataplane/listener.h"
#include "dataplane/mqtt/services.h"
#include "dataplane/net/net.h"
#include "dataplane/settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int settings_first(
	const struct settings_env *env,
	struct listener_table *listeners,
	struct settings **out
) {
	struct settings *s = calloc(1, sizeof(*s));

	if (s == nullptr)
		return -ENOMEM;
	s->config = (struct config *)(uintptr_t)env->base;
	s->base = env->base;
	s->listeners = listeners;
	if (env->mqtt != nullptr) {
		s->places = env->mqtt->places;
		s->credentials = env->mqtt->credentials;
		env->mqtt->credentials = nullptr;
	}
	*out = s;
	return 0;
}

// --- judging

static void change_note(struct settings_verdict *v, const struct config_change *c) {
	uint32_t at = v->changed++;

	if (!c->live)
		v->pending++;
	if (at < SETTINGS_CHANGES_MAX) {
		v->changes[at] = *c;
	} else if (!c->live) {
		// Those that wait are what the operator must know: they displace a live one.
		for (at = 0; at < SETTINGS_CHANGES_MAX; at++)
			if (v->changes[at].live)
				break;
		if (at < SETTINGS_CHANGES_MAX)
			v->changes[at] = *c;
	}
}

[[gnu::format(printf, 2, 3)]] static void
pending_note(struct settings_verdict *v, const char *format, ...) {
	struct config_change c = {.live = false};
	va_list ap;

	va_start(ap, format);
	vsnprintf(c.path, sizeof(c.path), format, ap);
	va_end(ap);
	// An option is named once: the table's word gives way.
	for (uint32_t i = 0; i < v->changed && i < SETTINGS_CHANGES_MAX; i++) {
		if (strcmp(v->changes[i].path, c.path) != 0)
			continue;
		v->pending += v->changes[i].live;
		v->changes[i].live = false;
		return;
	}
	change_note(v, &c);
}

static bool listens(const struct config *c, enum listener_protocol protocol) {
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (c->listeners[i].protocol == protocol)
			return true;
	return false;
}

static const struct config_listener *listener_named(const struct config *c, const char *name) {
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (strcmp(c->listeners[i].name, name) == 0)
			return &c->listeners[i];
	return nullptr;
}

// A protocol without a listener at the start has no tables in this run.
static bool reserved(const struct settings_env *env, enum listener_protocol protocol) {
	switch (protocol) {
	case LISTEN_COAP:
		return listens(env->base, LISTEN_COAP);
	case LISTEN_MQTT:
		return env->mqtt != nullptr;
	case LISTEN_FRAME:
		return env->frame_devices != nullptr;
	default:
		return true;
	}
}

static bool same_addresses(const struct config_listener *was, const struct config_listener *is) {
	return was->address_count == is->address_count
		&& (was->address_count == 0
		    || memcmp(was->addresses,
			      is->addresses,
			      was->address_count * sizeof(*was->addresses))
			    == 0);
}

// Connections name their listener by number, and TCP its services: those of the start stay.
static void mqtt_judge(
	const struct config_listener *was,
	const struct config *next,
	struct settings_verdict *v
) {
	const struct config_listener *is = listener_named(next, was->name);

	if (is == nullptr || is->protocol != LISTEN_MQTT) {
		pending_note(v, "listeners: '%s' (mqtt) gone", was->name);
		return;
	}
	uint32_t at = (uint32_t)(is - next->listeners);
	if (was->port != is->port)
		pending_note(v, "listeners[%u].port", at);
	if (was->realm != is->realm)
		pending_note(v, "listeners[%u].realm", at);
	if (!same_addresses(was, is))
		pending_note(v, "listeners[%u].addresses", at);
}

static void listeners_judge(
	const struct settings_env *env,
	const struct config *running,
	const struct config *next,
	struct settings_verdict *v
) {
	for (uint32_t i = 0; i < running->listener_count; i++)
		if (running->listeners[i].protocol == LISTEN_MQTT)
			mqtt_judge(&running->listeners[i], next, v);
	for (uint32_t i = 0; i < next->listener_count; i++)
		if (!reserved(env, next->listeners[i].protocol))
			pending_note(v, "listeners[%u].protocol", i);
	if (net_groups_bound(next) > net_groups_bound(env->base) + NET_GROUPS_LIVE)
		pending_note(v, "listeners: more groups than there is room for");
}

void settings_judge(
	const struct settings_env *env,
	const struct settings *running,
	const struct config *next,
	struct settings_verdict *out
) {
	static struct config_change changes[4096];
	const struct config *base = env->base, *now = running->config;
	uint32_t n = config_diff(now, next, changes, 4096);

	*out = (struct settings_verdict) {0};
	for (uint32_t i = 0; i < n && i < 4096; i++)
		change_note(out, &changes[i]);
	if (n > 4096) // nobody reads such a list; what cannot be looked at may not be called live
		pending_note(out, "more options than can be compared");
	listeners_judge(env, now, next, out);
	if (next->frame.keys != nullptr && env->frame_devices == nullptr)
		pending_note(out, "frame.keys");
	if (next->egress.batch_records > base->egress.batch_records)
		pending_note(out, "egress.batch_records");
	if ((next->egress.checkpoint_ms == 0) != (base->egress.checkpoint_ms == 0))
		pending_note(out, "egress.checkpoint");
}

// --- building

// What is learnt at the start, not written in the file.
static int topics_take(struct config *next, const struct config *base) {
	if (next->topic_count != base->topic_count)
		return -EINVAL;
	for (uint32_t t = 0; t < next->topic_count; t++)
		next->topics[t].partitions = base->topics[t].partitions;
	next->partition_map = base->partition_map;
	return 0;
}

static bool users_equal(const struct config *a, const struct config *b) {
	if (a->mqtt.user_count != b->mqtt.user_count)
		return false;
	for (uint32_t i = 0; i < a->mqtt.user_count; i++)
		if (strcmp(a->mqtt.users[i].name, b->mqtt.users[i].name) != 0
		    || strcmp(a->mqtt.users[i].secret, b->mqtt.users[i].secret) != 0)
			return false;
	return true;
}

static int mqtt_build(
	const struct settings_env *env,
	const struct settings *running,
	struct settings *s,
	char *why,
	size_t why_len
) {
	int ret = mqtt_places_set(s->config, &running->places, &s->places);

	if (ret == 0 && !mqtt_services_fit(s->config, &s->places))
		ret = -ENOSPC;
	if (ret == -ENOSPC)
		snprintf(why, why_len, "more MQTT listeners and addresses than there are places");
	if (ret < 0)
		return ret;
	bool same = users_equal(running->config, s->config);
	s->credentials = running->credentials;
	if (!same)
		ret = mqtt_credentials_create(
			s->config, env->secret, running->credentials, &s->credentials, why, why_len
		);
	for (uint16_t w = 0; w < env->workers && ret == 0; w++) {
		s->mqtt[w] = mqtt_live_of(s->config);
		s->mqtt[w].credentials = s->credentials;
		if (!same)
			ret = auth_memory_create(s->credentials, &s->mqtt[w].remembered);
	}
	return ret;
}

int settings_build(
	const struct settings_env *env,
	struct settings *running,
	struct config *next,
	uint64_t number,
	struct settings **out,
	char *why,
	size_t why_len
) {
	struct settings *s = calloc(1, sizeof(*s));
	uint32_t culprit = 0;
	int ret = -ENOMEM;

	why[0] = '\0';
	if (s == nullptr) {
		config_free(next);
		return ret;
	}
	s->config = next;
	s->base = env->base;
	s->number = number;
	next->generation = number;
	ret = topics_take(next, env->base);
	if (ret == 0) {
		ret = listener_table_create(next, &s->listeners, &culprit);
		if (ret == -EEXIST)
			snprintf(
				why,
				why_len,
				"listener %s: another listener has the same realm, address and "
				"port",
				next->listeners[culprit].name
			);
	}
	if (ret == 0 && env->mqtt != nullptr)
		ret = mqtt_build(env, running, s, why, why_len);
	// Last, for it acts at once. The keys before are read until everybody holds this one.
	if (ret == 0 && env->frame_devices != nullptr)
		ret = frame_devices_reload(
			env->frame_devices, next->frame.keys, &running->replaced, why, why_len
		);
	if (ret < 0) {
		if (why[0] == '\0')
			snprintf(why, why_len, "%s", strerror(-ret));
		settings_free(s, running);
		return ret;
	}
	*out = s;
	return 0;
}

void settings_free(struct settings *s, const struct settings *newest) {
	if (s == nullptr)
		return;
	for (uint16_t w = 0; w < WORKERS_MAX; w++)
		auth_memory_destroy(s->mqtt[w].remembered);
	if (newest == nullptr || newest->credentials != s->credentials)
		auth_table_destroy(s->credentials);
	frame_keys_destroy(s->replaced);
	listener_table_destroy(s->listeners);
	if (s->config != s->base)
		config_free(s->config);
	free(s);
}
