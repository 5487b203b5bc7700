// SPDX-License-Identifier: Apache-2.0
#include "dataplane/mqtt/server.h"
#include "dataplane/mqtt/shared.h"

#include <rte_errno.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AUTH_QUEUE 256
#define MAIL_LETTERS 64

static bool speaks_mqtt(const struct config *c) {
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (c->listeners[i].protocol == LISTEN_MQTT)
			return true;
	return false;
}

static uint32_t place_find(const struct mqtt_places *p, const char *name) {
	for (uint32_t i = 0; i < p->count; i++)
		if (p->at[i] != nullptr && strcmp(p->at[i]->name, name) == 0)
			return i;
	return p->count;
}

int mqtt_places_set(
	const struct config *c,
	const struct mqtt_places *before,
	struct mqtt_places *out
) {
	*out = (struct mqtt_places) {.count = before != nullptr ? before->count : 0};
	for (uint32_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];
		uint32_t at = out->count;
		if (l->protocol != LISTEN_MQTT)
			continue;
		if (before != nullptr && place_find(before, l->name) < before->count)
			at = place_find(before, l->name);
		if (at == MQTT_PLACES_MAX)
			return -ENOSPC;
		out->at[at] = l;
		out->count += at == out->count;
	}
	return 0;
}

int mqtt_credentials_create(
	const struct config *c,
	const uint64_t secret[2],
	const struct auth_table *previous,
	struct auth_table **out,
	char *why,
	size_t len
) {
	struct auth_user *users = calloc(c->mqtt.user_count + 1, sizeof(*users));
	uint32_t bad = 0;

	if (users == nullptr)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->mqtt.user_count; i++) {
		const struct config_user *u = &c->mqtt.users[i];
		users[i] = (struct auth_user) {
			view_of(u->name, (uint32_t)strlen(u->name)),
			view_of(u->secret, (uint32_t)strlen(u->secret)),
		};
	}
	int ret = auth_table_succeed(users, c->mqtt.user_count, secret, previous, out, &bad);
	if (ret == -EINVAL)
		snprintf(
			why,
			len,
			"mqtt.users '%s': the secret is not an encoded hash that sluice knows "
			"($sluice-sha256$, $pbkdf2-, $argon2, or crypt(3))",
			c->mqtt.users[bad].name
		);
	free(users);
	return ret;
}

static int mail_create(struct mqtt_shared *s) {
	for (unsigned from = 0; from < s->workers; from++) {
		for (unsigned to = 0; to < s->workers; to++) {
			char name[RTE_RING_NAMESIZE];
			if (from == to)
				continue;
			snprintf(name, sizeof(name), "mail%u-%u", from, to);
			s->mail[from][to] = rte_ring_create_elem(
				name,
				sizeof(struct mqtt_mail),
				MAIL_LETTERS,
				SOCKET_ID_ANY,
				RING_F_SP_ENQ | RING_F_SC_DEQ
			);
			if (s->mail[from][to] == nullptr)
				return -rte_errno;
		}
	}
	return 0;
}

int mqtt_shared_create(
	const struct config *c,
	const uint64_t secret[2],
	const struct auth_registry *registry,
	struct mqtt_shared **out,
	char *why,
	size_t why_len
) {
	struct mqtt_shared *s;
	int ret;

	if (!speaks_mqtt(c))
		return 0;
	s = calloc(1, sizeof(*s));
	if (s == nullptr)
		return -ENOMEM;
	s->workers = (uint16_t)c->dataplane.workers;
	ret = mqtt_places_set(c, nullptr, &s->places);
	if (ret == 0)
		ret = mqtt_credentials_create(c, secret, nullptr, &s->credentials, why, why_len);
	if (ret == 0)
		auth_table_registry(s->credentials, registry);
	if (ret == 0)
		ret = auth_thread_create(s->credentials, s->workers, AUTH_QUEUE, &s->thread);
	if (ret == 0)
		ret = mail_create(s);
	if (ret < 0) {
		if (why[0] == '\0')
			snprintf(why, why_len, "MQTT: %s", strerror(-ret));
		mqtt_shared_destroy(s);
		return ret;
	}
	*out = s;
	return 0;
}

void mqtt_shared_destroy(struct mqtt_shared *s) {
	if (s == nullptr)
		return;
	auth_thread_destroy(s->thread);
	auth_table_destroy(s->credentials);
	for (unsigned from = 0; from < s->workers; from++)
		for (unsigned to = 0; to < s->workers; to++)
			rte_ring_free(s->mail[from][to]);
	free(s);
}
