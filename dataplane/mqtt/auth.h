// SPDX-License-Identifier: Apache-2.0
// User names and passwords.
//
// Secrets we issue ourselves are random and stored as salted SHA-256, which a worker may compute.
// Imported hashes (bcrypt and whatever crypt(3) knows, PBKDF2, argon2) are slow on purpose: a
// worker only hands them to the authentication thread, and remembers a success as a keyed hash of
// the password until the table is replaced. Thread: a table is read-only after create, except the
// memory of successes, which belongs to one worker each (struct auth_memory).
#pragma once

#include "parsers/rd.h"

#include <stdbool.h>
#include <stdint.h>

struct auth_table;
struct auth_memory;
struct auth_registry;

#define AUTH_PASSWORD_MAX 128
#define AUTH_ENCODED_MAX 256

// One user as configured: `secret` is
//   $sluice-sha256$SALT_HEX$DIGEST_HEX     SHA-256(salt, password), salt of 16 bytes
//   $pbkdf2-sha256$ROUNDS$SALT$DIGEST      base64 with '.' for '+' and no padding (passlib);
//   $pbkdf2-sha512$...                     also $pbkdf2$ROUNDS$HEX_SALT$HEX_DIGEST with SHA-1
//   $argon2i$ $argon2d$ $argon2id$         encoded form
//   anything else that begins with '$'     crypt(3): $2b$ bcrypt, $6$, $y$ ...
struct auth_user {
	struct view name;
	struct view secret;
};

enum auth_method : uint8_t {
	AUTH_METHOD_SHA256,
	AUTH_METHOD_PBKDF2_SHA1,
	AUTH_METHOD_PBKDF2_SHA256,
	AUTH_METHOD_PBKDF2_SHA512,
	AUTH_METHOD_ARGON2,
	AUTH_METHOD_CRYPT,
};

// 0; -EINVAL with *bad the index of a user whose name is empty or taken or whose secret is none of
// the above or too costly (PBKDF2 above 10 M rounds, argon2 above 256 MiB); -ENOMEM.
int auth_table_create(
	const struct auth_user *users,
	uint32_t count,
	const uint64_t key[2],
	struct auth_table **out,
	uint32_t *bad
);
// The same as the successor of a table in use: users of both keep their index, those that are gone
// keep it too but are denied. `previous` NULL: none.
int auth_table_succeed(
	const struct auth_user *users,
	uint32_t count,
	const uint64_t key[2],
	const struct auth_table *previous,
	struct auth_table **out,
	uint32_t *bad
);
// Users that the configuration does not have are looked up there; a successor takes it over. NULL:
// nowhere. Their indices have this bit.
#define AUTH_REGISTRY_USER 0x40000000u
void auth_table_registry(struct auth_table *t, const struct auth_registry *r);
// What the user's secret is at the moment: another number after each change. Configured: 0.
uint32_t auth_user_version(const struct auth_table *t, uint32_t user);
// The user may still log in. False for an index that no user has.
bool auth_user_active(const struct auth_table *t, uint32_t user);
void auth_table_destroy(struct auth_table *t); // accepts NULL; secrets are wiped

int auth_memory_create(const struct auth_table *t, struct auth_memory **out);
void auth_memory_destroy(struct auth_memory *m); // accepts NULL

enum auth_result : uint8_t {
	AUTH_ACCEPTED,
	AUTH_DENIED,
	AUTH_LATER, // a thread has to look: make a request for *user
};

// Unknown user and wrong password look alike. *user is the credential's index unless denied.
enum auth_result auth_check(
	const struct auth_table *t,
	const struct auth_memory *m,
	struct view name,
	struct view password,
	uint32_t *user
);
// The thread accepted this password for this version of the secret.
void auth_remember(
	const struct auth_table *t,
	struct auth_memory *m,
	uint32_t user,
	uint32_t version,
	struct view password
);

struct view auth_user_name(const struct auth_table *t, uint32_t user);

// What the authentication thread gets and gives back. Fixed size, no pointers.
struct auth_request {
	uint32_t user;
	uint32_t session;
	uint16_t worker;
	uint8_t generation;
	uint8_t password_len;
	uint8_t password[AUTH_PASSWORD_MAX];
};

struct auth_answer {
	uint32_t user;
	uint32_t session;
	uint16_t worker;
	uint8_t generation;
	bool accepted;
	uint32_t version; // of the secret it was compared with
};

struct auth_secret;
const struct auth_secret *auth_table_secret(const struct auth_table *t, uint32_t user);

// The slow check itself; never on a worker. *version is that of the secret it used.
bool auth_verify(
	const struct auth_table *t,
	uint32_t user,
	struct view password,
	uint32_t *version
);
const struct auth_registry *auth_table_registry_of(const struct auth_table *t);
