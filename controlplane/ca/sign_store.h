// SPDX-License-Identifier: Apache-2.0
// The files of sluice-signd: certificates as they are, keys sealed. One thread.
#pragma once

#include "controlplane/ca/ca.h"
#include "controlplane/ca/sign_message.h"

// All that is secret lies in one such mapping: locked, out of core dumps, not inherited.
struct sign_secrets {
	uint8_t kek[32];
	char key[CA_KEY_MAX];
	char issuing_key[CA_KEY_MAX];
	uint8_t sealed[CA_KEY_MAX + 64];
	struct sign_request request;
	struct sign_reply reply;
};

struct sign_store {
	const char *dir;
	struct sign_secrets *secret;
};

// 0 or -errno: -EINVAL if the file has less than 32 bytes. It is read once.
int sign_store_open(struct sign_store *s, const char *dir, const char *key_file);

// Bytes read, or -errno; -EFBIG if there is no room for a byte more than the file has.
int sign_read(const struct sign_store *s, enum sign_file f, void *out, size_t room);
// The same, terminated; 0 or -errno.
int sign_text_read(const struct sign_store *s, enum sign_file f, char *out, size_t room);
// On disk when it returns 0; the file is the old or the new one at any moment.
int sign_write(const struct sign_store *s, enum sign_file f, const void *bytes, size_t len);
int sign_delete(const struct sign_store *s, enum sign_file f); // 0 if there is none
// -EBADMSG: sealed with another key, or changed.
int sign_key_read(const struct sign_store *s, enum sign_file f, char key[CA_KEY_MAX]);
int sign_key_write(const struct sign_store *s, enum sign_file f, const char *key);

// --- sign_answer.c

// Answer the question in secret->request, which came with `len` bytes, into secret->reply.
void sign_answer(struct sign_store *s, size_t len);
