// SPDX-License-Identifier: Apache-2.0
// Claims and credentials: from the channel into the workers' tables, and to disk beside the
// devices.
//
//   secrets.snapshot, mode 600: header { magic, sizes, counts, registry, version, crcs }, claims,
//   credentials
#include "config/durable_file.h"
#include "dataplane/control_private.h"
#include "dataplane/frame/registry_keys.h"
#include "dataplane/log.h"

#include <rte_hash_crc.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOG_SUBSYSTEM "control"
#define SECRETS_MAGIC 0x3253544552434553u // "SECRETS2"
#define SECRETS_MAGIC_1 0x3153544552434553u // the same without frame keys

struct secrets_header {
	uint64_t magic;
	uint64_t registry_id;
	uint64_t version;
	uint32_t claim_size, claims;
	uint32_t credential_size, credentials;
	uint32_t crc; // of what follows
	uint32_t crc_header; // of what stands before it
};
static_assert(sizeof(struct secrets_header) == 48);

// Sets come before the devices that refer to them, and all of them each time.
void control_take_claims(struct control *c, const struct channel_message *m) {
	if (!c->claims_open)
		claims_begin(c->claims, false);
	c->claims_open = true;
	if (claims_add(c->claims, m->elements, m->count) == -ENOSPC && !c->claims_full) {
		c->claims_full = true;
		log_error(
			"too many claims: devices whose set did not fit may claim nothing (%d "
			"patterns)",
			CLAIM_PATTERNS_MAX
		);
	}
}

static struct view name_of(const void *name, uint8_t len) {
	return view_of(name, len);
}

static int credential_take(struct control *c, const struct channel_credential *k) {
	struct view name = name_of(k->name, k->name_len);

	if (k->kind == CREDENTIAL_HMAC || k->kind == CREDENTIAL_AES)
		return control_frame_key(c, k);
	if (k->kind != CREDENTIAL_PASSWORD)
		return 0;
	if (k->op == CHANNEL_REMOVE) {
		if (auth_registry_remove(c->passwords, name))
			device_table_standing_bump(c->table);
		return 0;
	}
	return auth_registry_put(c->passwords, name, view_of(k->bytes, k->len));
}

void control_take_credentials(struct control *c, const struct channel_message *m) {
	const struct channel_credential *list = m->elements;

	for (uint16_t i = 0; i < m->count; i++)
		if (credential_take(c, &list[i]) == -ENOSPC && !c->passwords_full
		    && list[i].kind == CREDENTIAL_PASSWORD) {
			c->passwords_full = true;
			log_error("too many passwords: %u, restart sluiced", AUTH_REGISTRY_MAX);
		}
}

// Its credentials follow in the same transfer, if it has any.
void control_secrets_doubt(struct control *c, const struct channel_device *d) {
	auth_registry_doubt(c->passwords, name_of(d->name, d->name_len));
	frame_registry_doubt(c->frames, name_of(d->name, d->name_len));
}

void control_secrets_whole(struct control *c) {
	auth_registry_doubt_all(c->passwords);
	frame_registry_doubt_all(c->frames);
	// Another registry numbers its sets anew.
	if (c->peer_registry_id == c->claims_registry)
		return;
	claims_begin(c->claims, true);
	c->claims_registry = c->peer_registry_id;
}

void control_secrets_end(struct control *c) {
	claims_end(c->claims);
	c->claims_open = false;
	if (auth_registry_settle(c->passwords) > 0)
		device_table_standing_bump(c->table);
	control_frame_keys_settle(c);
}

// --- the file

struct secrets {
	struct channel_claim *claims;
	struct channel_credential *credentials;
	uint32_t claim_count, credential_count;
};

static void secrets_free(struct secrets *s) {
	if (s->credentials != nullptr)
		explicit_bzero(s->credentials, s->credential_count * sizeof(s->credentials[0]));
	free(s->claims);
	free(s->credentials);
}

static bool secrets_collect(const struct control *c, struct secrets *s) {
	struct view name, secret;
	uint32_t at = 0, passwords = auth_registry_count(c->passwords);
	uint32_t room = passwords + frame_registry_count(c->frames);

	*s = (struct secrets) {0};
	s->claims = calloc(CLAIM_PATTERNS_MAX, sizeof(s->claims[0]));
	s->credentials = calloc(room > 0 ? room : 1, sizeof(s->credentials[0]));
	if (s->claims == nullptr || s->credentials == nullptr)
		return false;
	while (claims_next(c->claims, &at, &s->claims[s->claim_count]))
		if (++s->claim_count == CLAIM_PATTERNS_MAX)
			break;
	at = 0;
	while (s->credential_count < passwords
	       && auth_registry_next(c->passwords, &at, &name, &secret)) {
		struct channel_credential *k = &s->credentials[s->credential_count++];
		k->kind = CREDENTIAL_PASSWORD;
		k->name_len = (uint8_t)name.len;
		k->len = (uint16_t)secret.len;
		memcpy(k->name, name.p, name.len);
		memcpy(k->bytes, secret.p, secret.len);
	}
	at = 0;
	while (s->credential_count < room
	       && control_frame_keys_next(c, &at, &s->credentials[s->credential_count]))
		s->credential_count++;
	return true;
}

static uint32_t secrets_crc(const struct secrets *s) {
	uint32_t crc = rte_hash_crc(
		s->claims, s->claim_count * (uint32_t)sizeof(s->claims[0]), UINT32_MAX
	);

	return rte_hash_crc(
		s->credentials, s->credential_count * (uint32_t)sizeof(s->credentials[0]), crc
	);
}

static int secrets_write(const struct control *c, const struct secrets *s) {
	struct secrets_header h = {
		.magic = SECRETS_MAGIC,
		.registry_id = device_table_registry(c->table),
		// What did not fit is asked for at the next start.
		.version = c->frame_keys_full ? 0 : device_table_version(c->table),
		.claim_size = sizeof(s->claims[0]),
		.claims = s->claim_count,
		.credential_size = sizeof(s->credentials[0]),
		.credentials = s->credential_count,
		.crc = secrets_crc(s),
	};
	struct durable_file f;
	int ret = durable_file_begin(&f, c->secrets_path, 0600);

	if (ret < 0)
		return ret;
	h.crc_header = rte_hash_crc(&h, offsetof(struct secrets_header, crc_header), UINT32_MAX);
	// The commit sees what went wrong.
	(void)fwrite(&h, sizeof(h), 1, f.stream);
	(void)fwrite(s->claims, sizeof(s->claims[0]), s->claim_count, f.stream);
	(void)fwrite(s->credentials, sizeof(s->credentials[0]), s->credential_count, f.stream);
	return durable_file_commit(&f);
}

void control_secrets_save(struct control *c) {
	struct secrets s;
	int ret = secrets_collect(c, &s) ? secrets_write(c, &s) : -ENOMEM;

	secrets_free(&s);
	if (ret < 0)
		log_error("claims and credentials %s: %s", c->secrets_path, strerror(-ret));
}

static bool elements_good(const struct secrets *s) {
	for (uint32_t i = 0; i < s->claim_count; i++)
		if (s->claims[i].set == 0 || s->claims[i].kind >= CLAIM_KIND_COUNT
		    || s->claims[i].len > CHANNEL_PATTERN_MAX)
			return false;
	for (uint32_t i = 0; i < s->credential_count; i++)
		if (s->credentials[i].name_len > CHANNEL_NAME_MAX
		    || s->credentials[i].kind >= CREDENTIAL_KIND_COUNT
		    || s->credentials[i].len > AUTH_REGISTRY_SECRET)
			return false;
	return true;
}

// The counts are those of the file: no more is allocated than it has.
static bool size_agrees(FILE *f, const struct secrets_header *h) {
	struct stat st;
	uint64_t size = sizeof(*h) + (uint64_t)h->claims * h->claim_size
		+ (uint64_t)h->credentials * h->credential_size;

	return fstat(fileno(f), &st) == 0 && (uint64_t)st.st_size == size;
}

static int secrets_read(FILE *f, struct secrets_header *h, struct secrets *s) {
	if (fread(h, sizeof(*h), 1, f) != 1
	    || (h->magic != SECRETS_MAGIC && h->magic != SECRETS_MAGIC_1)
	    || h->crc_header
		    != rte_hash_crc(h, offsetof(struct secrets_header, crc_header), UINT32_MAX)
	    || h->claim_size != sizeof(s->claims[0])
	    || h->credential_size != sizeof(s->credentials[0]) || h->claims > CLAIM_PATTERNS_MAX
	    || !size_agrees(f, h))
		return -EBADMSG;
	if (h->magic == SECRETS_MAGIC_1)
		h->version = 0;
	s->claims = calloc(h->claims + 1u, sizeof(s->claims[0]));
	s->credentials = calloc(h->credentials + 1u, sizeof(s->credentials[0]));
	if (s->claims == nullptr || s->credentials == nullptr)
		return -ENOMEM;
	s->claim_count = h->claims;
	s->credential_count = h->credentials;
	if (fread(s->claims, sizeof(s->claims[0]), h->claims, f) != h->claims
	    || fread(s->credentials, sizeof(s->credentials[0]), h->credentials, f) != h->credentials
	    || fgetc(f) != EOF || secrets_crc(s) != h->crc || !elements_good(s))
		return -EBADMSG;
	return 0;
}

// The two files are written one after the other: the older of them says how far we are, and another
// registry's make us ask for everything.
static void version_agree(struct control *c, const struct secrets_header *h) {
	bool same = h->registry_id == device_table_registry(c->table);
	uint64_t version = device_table_version(c->table);

	if (!same || h->version < version)
		device_table_at(c->table, device_table_registry(c->table), same ? h->version : 0);
}

void control_secrets_load(struct control *c) {
	FILE *f = fopen(c->secrets_path, "re");
	struct secrets_header h;
	struct secrets s = {0};
	int ret = f != nullptr ? secrets_read(f, &h, &s) : -errno;

	if (ret == 0) {
		claims_begin(c->claims, true);
		(void)claims_add(c->claims, s.claims, s.claim_count);
		claims_end(c->claims);
		c->claims_registry = h.registry_id;
		for (uint32_t i = 0; i < s.credential_count; i++)
			(void)credential_take(c, &s.credentials[i]);
		control_frame_keys_settle(c);
		version_agree(c, &h);
		log_notice(
			"claims and credentials loaded claims=%" PRIu32 " passwords=%" PRIu32
			" frame_keys=%" PRIu32,
			s.claim_count,
			auth_registry_count(c->passwords),
			frame_registry_count(c->frames)
		);
	} else {
		// Without them a device's claims deny: everything is asked for.
		device_table_at(c->table, device_table_registry(c->table), 0);
		if (ret != -ENOENT)
			log_error(
				"claims and credentials %s: %s",
				c->secrets_path,
				ret == -EBADMSG ? "corrupt, not used" : strerror(-ret)
			);
	}
	secrets_free(&s);
	if (f != nullptr)
		fclose(f);
}
