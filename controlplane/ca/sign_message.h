// SPDX-License-Identifier: Apache-2.0
// What sluice-controld asks sluice-signd over a UNIX SOCK_SEQPACKET socket: one packet, one
// question; one packet, one answer. Fixed width; texts are terminated.
#pragma once

#include "controlplane/ca/crl.h"

#include <stdint.h>

#define SIGN_MAGIC 0x32474953u // "SIG2"
#define SIGN_PEM_MAX 8192
#define SIGN_CHAIN_MAX 16384
#define SIGN_KEY_MAX 4096
#define SIGN_TEXT_MAX 256
#define SIGN_CRL_MAX 2048
#define SIGN_DER_MAX 131072

enum sign_op : uint32_t {
	SIGN_INIT, // make root and issuing CA; `name` is the organisation; refused if they exist
	SIGN_SHOW, // certificates of root and issuing CA
	SIGN_CSR, // sign the CSR in `pem` for device `name`
	SIGN_NEW, // make a key and sign it for device `name`
	SIGN_REQUEST, // make the next issuing key and a CSR of it, for a CA elsewhere
	SIGN_IMPORT, // `pem`: CA certificates, the issuing one (or a root) first; `key` of the
		     // first, empty: of the last SIGN_REQUEST. `replace`: although there is a CA
	SIGN_CRL, // sign the list of `count` entries under `number`
	SIGN_EXPORT, // all files, keys as they are sealed, for a backup
	SIGN_OP_COUNT
};

// The files of the CA directory, in the order of SIGN_EXPORT.
#define SIGN_FILES(X)                                                                              \
	X(SIGN_ROOT_KEY, "root.key")                                                               \
	X(SIGN_ROOT_CRT, "root.crt")                                                               \
	X(SIGN_ISSUING_KEY, "issuing.key")                                                         \
	X(SIGN_ISSUING_CRT, "issuing.crt")                                                         \
	X(SIGN_NEXT_KEY, "next.key")

enum sign_file {
#define X(id, name) id,
	SIGN_FILES(X)
#undef X
		SIGN_FILE_COUNT
};
const char *sign_file_name(enum sign_file f);

struct sign_request {
	uint32_t magic;
	uint32_t op;
	int64_t not_before_s; // of the CRL: this update
	int64_t not_after_s; // of the CRL: next update
	int64_t number;
	uint32_t count;
	uint32_t replace;
	char name[128];
	union {
		struct {
			char pem[SIGN_CHAIN_MAX];
			char key[SIGN_KEY_MAX];
		};
		struct ca_crl_entry entries[SIGN_CRL_MAX];
	};
};

struct sign_blob {
	uint32_t len; // 0: there is no such file
	uint8_t bytes[SIGN_CHAIN_MAX];
};

struct sign_reply {
	int32_t result; // 0 or -errno
	uint32_t len; // of `der`
	char text[SIGN_TEXT_MAX]; // why not
	union {
		struct {
			char certificate[SIGN_CHAIN_MAX]; // SHOW: the issuing CA's; REQUEST: the
							  // CSR
			char chain[SIGN_CHAIN_MAX]; // issuing CA; for SHOW: the root
			char key[SIGN_KEY_MAX]; // SIGN_NEW
		};
		uint8_t der[SIGN_DER_MAX];
		struct sign_blob files[SIGN_FILE_COUNT];
	};
};
static_assert(sizeof(struct sign_request) == 65704);
static_assert(sizeof(struct sign_reply) == 131336);
