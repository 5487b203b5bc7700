// SPDX-License-Identifier: Apache-2.0
// Inside of the registry, for registry*.c only.
#pragma once

#include "controlplane/registry_certificates.h"
#include "controlplane/sql.h"

struct registry {
	struct sql sql;
	char path[512];
	uint64_t id;
	// Devices by state as JSON, counted at that version; it takes 0.3 s at a million.
	char states[160];
	uint64_t states_version;
};

// The next version, within the caller's transaction.
int registry_bump(struct registry *r, int64_t *version);
int64_t registry_now(void); // wall clock, s
// -ENOENT with a sentence if a statement changed nothing, else `ret`.
int registry_one(struct registry *r, int ret, const char *what);
// Within the caller's transaction: end a certificate and its device's credential; or take it back.
int registry_certificate_end(
	struct registry *r,
	const struct author *by,
	const char *sha256,
	const char *reason
);
int registry_certificate_release(struct registry *r, const struct author *by, const char *sha256);

// The same for a new device, and for a certificate of one.
int registry_device_insert(
	struct registry *r,
	const struct author *by,
	const char *name,
	const struct device_change *c,
	bool readmit
);
int registry_certificate_insert(
	struct registry *r,
	const struct author *by,
	const char *action,
	const struct certificate_row *c
);
// The number of a set of labels (JSON), 0 for the empty one, within the caller's transaction.
// -EINVAL with a sentence if it is no object of texts or beyond the bounds.
int registry_label_set(struct registry *r, const char *labels, int64_t *id);
// The number of a set of claims (JSON), within the caller's transaction.
int registry_claim_set(struct registry *r, const char *claims, int64_t *id);
