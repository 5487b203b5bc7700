// SPDX-License-Identifier: Apache-2.0
// Passwords of the registry's devices: the user name is the device's. Changed in place by the main
// thread, read by workers and by the authentication thread without locks.
//
// A name keeps its place until the process ends, so that an index means the same device for ever;
// a removed password is wiped and its place denies. Each change counts the entry's version up: what
// was remembered of an older one is worth nothing.
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct auth_registry;

#define AUTH_REGISTRY_MAX (1u << 20)
#define AUTH_REGISTRY_SECRET 160 // bytes of an encoded hash
#define AUTH_REGISTRY_NONE UINT32_MAX

// `key` keys the SipHash of names. Memory is reserved, left out of core dumps. 0 or -ENOMEM.
int auth_registry_create(const uint64_t key[2], struct auth_registry **out);
void auth_registry_destroy(struct auth_registry *r); // accepts NULL; secrets are wiped

// --- any thread

// The index of that name if it has a password, else AUTH_REGISTRY_NONE.
uint32_t auth_registry_find(const struct auth_registry *r, struct view name);
// 0: it has no password (any more).
uint32_t auth_registry_version(const struct auth_registry *r, uint32_t index);
struct view auth_registry_name(const struct auth_registry *r, uint32_t index);
// A consistent copy of the encoded hash, terminated. Its length, 0 if there is none; *version is
// that of the copy.
uint32_t auth_registry_secret(
	const struct auth_registry *r,
	uint32_t index,
	char out[AUTH_REGISTRY_SECRET + 1],
	uint32_t *version
);

// --- main thread

// -ENOSPC: AUTH_REGISTRY_MAX names since the start. -EINVAL: too long.
int auth_registry_put(struct auth_registry *r, struct view name, struct view secret);
bool auth_registry_remove(struct auth_registry *r, struct view name); // false: there was none
// A transfer: doubt() what may have gone (one name, or all), put() what is there, then settle()
// removes what is still in doubt and returns how many.
void auth_registry_doubt(struct auth_registry *r, struct view name);
void auth_registry_doubt_all(struct auth_registry *r);
uint32_t auth_registry_settle(struct auth_registry *r);
// For the snapshot: the next password from *at on (0 at first); false at the end.
bool auth_registry_next(
	const struct auth_registry *r,
	uint32_t *at,
	struct view *name,
	struct view *secret
);
uint32_t auth_registry_count(const struct auth_registry *r);
