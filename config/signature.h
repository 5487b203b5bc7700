// SPDX-License-Identifier: Apache-2.0
// Signature files (docs/signatures.md): what an attack in a path or payload looks like, what to do
// about it, and the test vectors that show both.
//
// Only reading and checking: expressions are compiled by pipelines/match_compile.h. A set is one
// file, a directory of *.yaml files, or a bundle: the files of a directory in one text, each behind
// a line "--- # file: NAME". Every mistake has the name and line of the file it stands in.
// Everything is owned by the set and read-only after loading. Main thread, or a thread of its own.
#pragma once

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGNATURES_MAX 20000
#define SIGNATURE_NAME_MAX 64
#define SIGNATURE_EXPRESSION_MAX 2048
#define SIGNATURE_PROFILES_MAX 16
#define SIGNATURE_VECTORS_MAX 32 // of each kind
#define SIGNATURE_VECTOR_BYTES_MAX 4096
#define SIGNATURE_FILES_MAX 256
#define SIGNATURE_BAN_MAX_S (30u * 86400)

// Where to look.
#define SIGNATURE_SCOPES(X)                                                                        \
	X(SIGNATURE_PATH, "path") /* MQTT topic, CoAP path */                                      \
	X(SIGNATURE_PAYLOAD, "payload")                                                            \
	X(SIGNATURE_BOTH, "both")

#define SIGNATURE_SEVERITIES(X)                                                                    \
	X(SEVERITY_INFO, "info")                                                                   \
	X(SEVERITY_LOW, "low")                                                                     \
	X(SEVERITY_MEDIUM, "medium")                                                               \
	X(SEVERITY_HIGH, "high")                                                                   \
	X(SEVERITY_CRITICAL, "critical")

// In order of gravity: of several hits the gravest holds.
#define SIGNATURE_ACTIONS(X)                                                                       \
	X(SIGNATURE_TAG, "tag") /* delivered, named in the record */                               \
	X(SIGNATURE_QUARANTINE, "quarantine") /* to the dead-letter topic, acknowledged */         \
	X(SIGNATURE_REFUSE, "refuse") /* the protocol's permanent error */                         \
	X(SIGNATURE_DISCONNECT, "disconnect") /* refused, and a proven sender cut off */           \
	X(SIGNATURE_BAN, "ban") /* and kept out for a time */

#define X(id, label) id,
enum signature_scope : uint8_t { SIGNATURE_SCOPES(X) SIGNATURE_SCOPE_COUNT };
enum signature_severity : uint8_t { SIGNATURE_SEVERITIES(X) SEVERITY_COUNT };
enum signature_action : uint8_t { SIGNATURE_ACTIONS(X) SIGNATURE_ACTION_COUNT };
#undef X

// Hyperscan's flags of the same meaning. There is no "utf8": on bytes that are no UTF-8 it is
// undefined what Hyperscan does, and devices send any bytes.
enum signature_flag : uint8_t {
	SIGNATURE_CASELESS = 1 << 0,
	SIGNATURE_DOTALL = 1 << 1, // '.' matches a line feed too
	SIGNATURE_MULTILINE = 1 << 2, // ^ and $ at every line
};

// Bit of a listener's protocol in signature.protocols: 1u << enum listener_protocol.
#define SIGNATURE_PROTOCOLS_ALL 0x0fu

struct signature_vector {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t line;
	bool near_miss; // must not hit; else must
	bool path; // where the bytes stand; else in the payload
};

struct signature {
	uint32_t id; // never 0
	uint8_t flags; // enum signature_flag
	uint8_t protocols;
	enum signature_scope scope;
	enum signature_severity severity;
	enum signature_action action;
	uint32_t ban_s; // SIGNATURE_BAN only
	const char *name;
	const char *expression;
	const char *reference; // URL or CVE; "" if none
	const char **profiles; // names; none: every profile
	uint32_t profile_count;
	struct signature_vector *vectors;
	uint32_t vector_count;
	const char *file;
	uint32_t line; // of the expression
};

struct signature_set {
	struct signature *signatures;
	uint32_t count;
};

// From a file or a directory. 0 and *out (free it), -EINVAL with up to `max` mistakes in
// errors[0..*count), or -errno if something cannot be read.
int signatures_load(
	const char *path,
	struct signature_set **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
);
// From a text at hand, which may be a bundle. `name` is the file of mistakes before the first
// "--- # file:" line.
int signatures_load_text(
	const char *name,
	const char *text,
	size_t size,
	struct signature_set **out,
	struct config_error *errors,
	uint32_t max,
	uint32_t *count
);
void signatures_free(struct signature_set *s); // accepts NULL

// What signatures_load() would read from `path`, as a bundle that the caller frees. 0 or -errno:
// -ENOENT (also: a directory without *.yaml), -EFBIG.
int signatures_bundle(const char *path, char **text, size_t *size);

// One file of a bundle. Returns false at the end. `*at` starts at 0.
struct signature_part {
	char name[CONFIG_NAME_MAX * 4];
	const char *text;
	size_t size;
};
bool signatures_part(const char *text, size_t size, size_t *at, struct signature_part *out);

const char *signature_scope_label(enum signature_scope s);
const char *signature_severity_label(enum signature_severity s);
const char *signature_action_label(enum signature_action a);
