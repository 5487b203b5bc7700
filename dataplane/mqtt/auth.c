// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/digest.h"
#include "dataplane/mqtt/auth.h"
#include "dataplane/mqtt/auth_registry.h"
#include "dataplane/mqtt/auth_secret.h"
#include "parsers/siphash.h"

#include <errno.h>
#include <stdlib.h>

#define USER_NAME_MAX 64

struct user {
	struct auth_secret secret;
	bool gone; // of an earlier table: the index stays taken
	uint8_t name_len;
	uint8_t name[USER_NAME_MAX];
};

struct auth_table {
	struct user *users; // owned
	uint32_t *places; // owned: hash -> user index + 1, 0 = empty
	uint32_t count;
	uint32_t room;
	uint32_t mask;
	uint64_t key[2];
	const struct auth_registry *registry; // NULL: none
};

// A remembered success: SHA-256 over the table's key, the user and the password, cut to half.
#define MEMORY_LEN 16

struct auth_memory {
	uint8_t (*prints)[MEMORY_LEN];
	bool *known;
	uint32_t count;
	uint8_t (*registry)[MEMORY_LEN]; // by index of the registry, NULL: none; zero: not known
};

static uint32_t place_of(const struct auth_table *t, struct view name) {
	return (uint32_t)siphash13(t->key, name.p, name.len) & t->mask;
}

// The user's index, or its count if there is none of this name.
static uint32_t lookup(const struct auth_table *t, struct view name, uint32_t *place) {
	uint32_t at = place_of(t, name);

	for (; t->places[at] != 0; at = (at + 1) & t->mask) {
		const struct user *u = &t->users[t->places[at] - 1];
		if (view_equal(view_of(u->name, u->name_len), name))
			return t->places[at] - 1;
	}
	*place = at;
	return t->count;
}

static void user_name(struct auth_table *t, uint32_t index, uint32_t place, struct view name) {
	struct user *u = &t->users[index];

	u->name_len = (uint8_t)name.len;
	memcpy(u->name, name.p, name.len);
	u->gone = true;
	t->places[place] = index + 1;
}

static int user_add(struct auth_table *t, const struct auth_user *from) {
	uint32_t place = 0;

	if (from->name.len == 0 || from->name.len > USER_NAME_MAX)
		return -EINVAL;
	uint32_t index = lookup(t, from->name, &place);
	if (index == t->count)
		user_name(t, t->count++, place, from->name);
	struct user *u = &t->users[index];
	if (!u->gone || !auth_secret_parse(from->secret, &u->secret))
		return -EINVAL;
	u->gone = false;
	return 0;
}

static void users_inherit(struct auth_table *t, const struct auth_table *previous) {
	for (uint32_t i = 0; i < previous->count; i++) {
		struct view name = auth_user_name(previous, i);
		uint32_t place = 0;
		(void)lookup(t, name, &place);
		user_name(t, t->count++, place, name);
	}
}

int auth_table_succeed(
	const struct auth_user *users,
	uint32_t count,
	const uint64_t key[2],
	const struct auth_table *previous,
	struct auth_table **out,
	uint32_t *bad
) {
	uint32_t most = count + (previous != nullptr ? previous->count : 0), size = 16;
	struct auth_table *t = calloc(1, sizeof(*t));

	if (t == nullptr)
		return -ENOMEM;
	while (size < 2 * most)
		size *= 2;
	t->mask = size - 1;
	t->room = most > 0 ? most : 1;
	memcpy(t->key, key, sizeof(t->key));
	t->users = calloc(t->room, sizeof(*t->users));
	t->places = calloc(size, sizeof(*t->places));
	if (t->users == nullptr || t->places == nullptr) {
		auth_table_destroy(t);
		return -ENOMEM;
	}
	if (previous != nullptr) {
		users_inherit(t, previous);
		t->registry = previous->registry;
	}
	for (uint32_t i = 0; i < count; i++) {
		int ret = user_add(t, &users[i]);
		if (ret < 0) {
			*bad = i;
			auth_table_destroy(t);
			return ret;
		}
	}
	*out = t;
	return 0;
}

int auth_table_create(
	const struct auth_user *users,
	uint32_t count,
	const uint64_t key[2],
	struct auth_table **out,
	uint32_t *bad
) {
	return auth_table_succeed(users, count, key, nullptr, out, bad);
}

void auth_table_registry(struct auth_table *t, const struct auth_registry *r) {
	t->registry = r;
}

const struct auth_registry *auth_table_registry_of(const struct auth_table *t) {
	return t->registry;
}

static bool of_registry(const struct auth_table *t, uint32_t user) {
	return t->registry != nullptr && (user & AUTH_REGISTRY_USER) != 0;
}

uint32_t auth_user_version(const struct auth_table *t, uint32_t user) {
	return of_registry(t, user) ? auth_registry_version(t->registry, user & ~AUTH_REGISTRY_USER)
				    : 0;
}

bool auth_user_active(const struct auth_table *t, uint32_t user) {
	if (t != nullptr && of_registry(t, user))
		return auth_user_version(t, user) != 0;
	return t != nullptr && user < t->count && !t->users[user].gone;
}

void auth_table_destroy(struct auth_table *t) {
	if (t == nullptr)
		return;
	if (t->users != nullptr)
		digest_wipe(t->users, t->room * sizeof(*t->users));
	free(t->users);
	free(t->places);
	free(t);
}

int auth_memory_create(const struct auth_table *t, struct auth_memory **out) {
	struct auth_memory *m = calloc(1, sizeof(*m));

	if (m == nullptr)
		return -ENOMEM;
	m->count = t->count;
	m->prints = calloc(t->count > 0 ? t->count : 1, sizeof(*m->prints));
	m->known = calloc(t->count > 0 ? t->count : 1, sizeof(*m->known));
	// Pages come with the first success that lies in them.
	if (t->registry != nullptr)
		m->registry = calloc(AUTH_REGISTRY_MAX, sizeof(*m->registry));
	if (m->prints == nullptr || m->known == nullptr
	    || (t->registry != nullptr && m->registry == nullptr)) {
		auth_memory_destroy(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

void auth_memory_destroy(struct auth_memory *m) {
	if (m == nullptr)
		return;
	if (m->prints != nullptr)
		digest_wipe(m->prints, m->count * sizeof(*m->prints));
	free(m->prints);
	free(m->known);
	free(m->registry);
	free(m);
}

static void print_make(
	const struct auth_table *t,
	const uint32_t who[2],
	struct view password,
	uint8_t out[32]
) {
	uint8_t in[sizeof(t->key) + 2 * sizeof(who[0]) + AUTH_PASSWORD_MAX];
	uint32_t n = sizeof(t->key) + 2 * sizeof(who[0]);

	memcpy(in, t->key, sizeof(t->key));
	memcpy(in + sizeof(t->key), who, 2 * sizeof(who[0]));
	memcpy(in + n, password.p, password.len);
	digest_sha256(view_of(in, n + password.len), out);
	digest_wipe(in, sizeof(in));
}

static bool remembered(
	const struct auth_table *t,
	const struct auth_memory *m,
	uint32_t user,
	struct view password
) {
	uint32_t who[2] = {user, auth_user_version(t, user)};
	static const uint8_t nothing[MEMORY_LEN];
	const uint8_t *kept = nothing;
	uint8_t print[32];

	if (!of_registry(t, user))
		kept = m->known[user] ? m->prints[user] : nothing;
	else if (m->registry != nullptr)
		kept = m->registry[user & ~AUTH_REGISTRY_USER];
	if (digest_equal(kept, nothing, MEMORY_LEN))
		return false;
	print_make(t, who, password, print);
	return digest_equal(print, kept, MEMORY_LEN);
}

static enum auth_result registry_check(
	const struct auth_table *t,
	const struct auth_memory *m,
	struct view name,
	struct view password,
	uint32_t *user
) {
	uint32_t i =
		t->registry != nullptr ? auth_registry_find(t->registry, name) : AUTH_REGISTRY_NONE;

	if (i == AUTH_REGISTRY_NONE)
		return AUTH_DENIED;
	*user = AUTH_REGISTRY_USER | i;
	return remembered(t, m, *user, password) ? AUTH_ACCEPTED : AUTH_LATER;
}

enum auth_result auth_check(
	const struct auth_table *t,
	const struct auth_memory *m,
	struct view name,
	struct view password,
	uint32_t *user
) {
	uint32_t place;

	if (password.len == 0 || password.len > AUTH_PASSWORD_MAX)
		return AUTH_DENIED;
	*user = lookup(t, name, &place);
	if (*user == t->count || t->users[*user].gone)
		return registry_check(t, m, name, password, user);
	const struct auth_secret *s = &t->users[*user].secret;
	if (s->method == AUTH_METHOD_SHA256)
		return auth_secret_sha256(s, password) ? AUTH_ACCEPTED : AUTH_DENIED;
	return remembered(t, m, *user, password) ? AUTH_ACCEPTED : AUTH_LATER;
}

void auth_remember(
	const struct auth_table *t,
	struct auth_memory *m,
	uint32_t user,
	uint32_t version,
	struct view password
) {
	uint32_t who[2] = {user, version};
	uint8_t print[32];
	bool registered = of_registry(t, user) && m->registry != nullptr;

	if ((!registered && user >= m->count) || password.len > AUTH_PASSWORD_MAX)
		return;
	print_make(t, who, password, print);
	if (registered) {
		memcpy(m->registry[user & ~AUTH_REGISTRY_USER], print, MEMORY_LEN);
		return;
	}
	memcpy(m->prints[user], print, MEMORY_LEN);
	m->known[user] = true;
}

struct view auth_user_name(const struct auth_table *t, uint32_t user) {
	if (t != nullptr && of_registry(t, user))
		return auth_registry_name(t->registry, user & ~AUTH_REGISTRY_USER);
	if (t == nullptr || user >= t->count)
		return (struct view) {0};
	return view_of(t->users[user].name, t->users[user].name_len);
}

const struct auth_secret *auth_table_secret(const struct auth_table *t, uint32_t user) {
	return !of_registry(t, user) && auth_user_active(t, user) ? &t->users[user].secret
								  : nullptr;
}
