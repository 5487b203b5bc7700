// SPDX-License-Identifier: Apache-2.0
// The registry's certificates: those of devices, the issuers that are trusted, what their
// revocation lists say, and the templates for devices that bring a certificate nobody knows.
// The same rules as registry.h.
#pragma once

#include "controlplane/registry.h"

#define CERTIFICATE_PATH_MAX 6

struct certificate_row {
	const char *serial; // hex
	const char *device;
	const char *issuer;
	const char *subject;
	const uint8_t *sha256;
	const char *pem;
	int64_t not_before_s, not_after_s;
	// SHA-256 (hex) of the CA certificates above it, the issuer first, the anchor last.
	const char *path[CERTIFICATE_PATH_MAX];
	unsigned path_len;
};

// The certificate and, with it, the credential of its device. `action` is what the audit log says:
// "cert.issue", "cert.add", ...; -EEXIST: known already.
int registry_certificate_add(
	struct registry *r,
	const struct author *by,
	const char *action,
	const struct certificate_row *c
);
// A new device and its certificate, both or neither. As registry_device_add().
int registry_provision(
	struct registry *r,
	const struct author *by,
	const struct device_change *d,
	const struct certificate_row *c
);
// `id` is a serial or the SHA-256 in hex. -EEXIST: more than one certificate has that serial.
// The device's credential ends with it.
int registry_certificate_revoke(
	struct registry *r,
	const struct author *by,
	const char *id,
	const char *reason
);

struct certificate_filter {
	int64_t now_s;
	int64_t within_s; // < 0: all; else those that end within so many seconds and are not
			  // revoked
	const char *device; // NULL any
	const char *after; // `next` of the answer before, NULL from the beginning
	int64_t limit;
};
// First to end first. "renew" of each: none, open (the last third of its life), superseded (the
// device has one that ends later).
char *registry_certificate_list(struct registry *r, const struct certificate_filter *f, int *error);
char *registry_certificate_show(struct registry *r, const char *id, int64_t now_s, int *error);
// Those that end within so many seconds, count for the device, and have no successor.
int registry_certificate_expiring(
	struct registry *r,
	int64_t now_s,
	int64_t within_s,
	int64_t *count
);
// The device of a certificate that is known and not revoked. -ENOENT: unknown; -EPERM: revoked.
int registry_certificate_device(
	struct registry *r,
	const char *sha256,
	char device[CHANNEL_NAME_MAX + 1]
);
// Does the device have a live certificate whose path ends in that anchor? 1, 0 or -errno.
int registry_certificate_bound(struct registry *r, const char *device, const char *anchor);
// Certificates of that issuer (SHA-256) that are revoked and have not ended, oldest first:
// {"entries":[{"serial","at_s","reason"}]}. And a number above every one given before.
char *registry_own_revoked(struct registry *r, const char *authority, int64_t now_s, int *error);
int registry_crl_number(struct registry *r, int64_t *number);

// --- trust

struct trust_row {
	const char *name;
	const char *subject;
	const uint8_t *sha256;
	const char *pem;
	bool anchor; // else it only helps to find the way to one
};
int registry_trust_add(struct registry *r, const struct author *by, const struct trust_row *t);
int registry_trust_remove(struct registry *r, const struct author *by, const char *name);
// {"issuers":[{"name","subject","sha256","at_s","anchor","crl":{...}|null,"pem"}]}
char *registry_trust_list(struct registry *r, int *error);
// Devices whose every live certificate hangs on that issuer: they would be refused.
// {"devices":[...at most 1000...],"count":n}
char *registry_trust_affected(struct registry *r, const char *name, int64_t now_s, int *error);

// --- revocation lists

struct crl_head {
	const char *authority; // SHA-256 (hex) of the issuer's certificate
	const char *number; // hex without leading zeros, "" if the list has none
	int64_t this_s, next_s; // next_s 0: it does not say
	const char *sha256; // of the list, hex
};
struct crl_entry {
	char serial[2 * 20 + 1];
	int64_t at_s;
	const char *reason; // a label of RFC 5280
};
// Fills one entry; false at the end.
typedef bool (*crl_next)(void *owner, struct crl_entry *out);
struct crl_result {
	uint64_t entries;
	uint64_t revoked; // certificates of devices that were valid until now
	uint64_t released; // that were on hold and are not any more
	bool unchanged; // the same list as before
};
// Put the list in the place of the one before. -EPERM: it is older.
int registry_crl_import(
	struct registry *r,
	const struct author *by,
	const struct crl_head *h,
	crl_next next,
	void *owner,
	struct crl_result *out
);
// Is the serial on the issuer's list? 1, 0 or -errno.
int registry_revoked(struct registry *r, const char *authority, const char *serial);
// Lists whose next update is past. {"lists":[{"name","number","next_s"}]}
char *registry_crl_overdue(struct registry *r, int64_t now_s, int *error);

// --- templates

struct template_row {
	char profile[32];
	char name[64]; // rule: %cn, %san, %serial and plain text
	char pattern[128];
	int state;
};
int registry_template_set(
	struct registry *r,
	const struct author *by,
	const char *issuer,
	const struct template_row *t
);
int registry_template_remove(
	struct registry *r,
	const struct author *by,
	const char *issuer,
	const char *pattern
);
char *registry_template_list(struct registry *r, int *error);
// The n-th template of any of the issuers (SHA-256); -ENOENT behind the last.
int registry_template_at(
	struct registry *r,
	const char *issuer_sha256,
	int64_t n,
	struct template_row *out
);
