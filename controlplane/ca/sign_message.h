// SPDX-License-Identifier: Apache-2.0
// What sluice-controld asks sluice-signd over a UNIX SOCK_SEQPACKET socket: one packet, one
// question; one packet, one answer. Fixed width; texts are terminated.
#pragma once

#include <stdint.h>

#define SIGN_MAGIC 0x4e474953u // "SIGN"
#define SIGN_PEM_MAX 8192
#define SIGN_TEXT_MAX 256

enum sign_op : uint32_t {
	SIGN_INIT, // make root and issuing CA; `name` is the organisation; refused if they exist
	SIGN_SHOW, // certificates of root and issuing CA
	SIGN_CSR, // sign the CSR in `pem` for device `name`
	SIGN_NEW, // make a key and sign it for device `name`
	SIGN_OP_COUNT
};

struct sign_request {
	uint32_t magic;
	uint32_t op;
	int64_t not_before_s;
	int64_t not_after_s;
	char name[128];
	char pem[SIGN_PEM_MAX];
};

struct sign_reply {
	int32_t result; // 0 or -errno
	uint32_t reserved;
	char text[SIGN_TEXT_MAX]; // why not
	char certificate[SIGN_PEM_MAX]; // for SHOW: the issuing CA's
	char chain[SIGN_PEM_MAX]; // issuing CA; for SHOW: the root
	char key[4096]; // SIGN_NEW
};
static_assert(sizeof(struct sign_request) == 8344);
static_assert(sizeof(struct sign_reply) == 20744);
