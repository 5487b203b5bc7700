// SPDX-License-Identifier: Apache-2.0
// Keys for protected frames, between the channel's credentials and the table of frame devices.
#include "dataplane/control_private.h"
#include "dataplane/frame/registry_keys.h"
#include "dataplane/log.h"

#include <errno.h>
#include <string.h>

#define LOG_SUBSYSTEM "control"

static enum frame_algorithm algorithm_of(const struct channel_credential *k) {
	return k->kind == CREDENTIAL_AES ? FRAME_AES_128_GCM : FRAME_HMAC_SHA_256;
}

static int key_put(struct control *c, const struct channel_credential *k) {
	struct frame_key key = {.algorithm = algorithm_of(k), .number = k->number};

	if (k->len > sizeof(key.bytes))
		return -EINVAL;
	key.len = (uint8_t)k->len;
	memcpy(key.bytes, k->bytes, k->len);
	int ret = frame_registry_put(c->frames, view_of(k->name, k->name_len), &key);
	explicit_bzero(&key, sizeof(key));
	return ret;
}

int control_frame_key(struct control *c, const struct channel_credential *k) {
	struct view name = view_of(k->name, k->name_len);

	if (k->op == CHANNEL_REMOVE) {
		frame_registry_remove(c->frames, name, k->number, algorithm_of(k));
		return 0;
	}
	int ret = key_put(c, k);
	if (ret == -ENOSPC && !c->frame_keys_full) {
		c->frame_keys_full = true;
		log_error("too many frame keys of the registry: raise frame.devices");
	} else if (ret == -EINVAL) {
		log_error(
			"device %.*s: its key %u cannot be one of frames",
			(int)name.len,
			(const char *)name.p,
			k->number
		);
	}
	return ret;
}

void control_frame_keys_settle(struct control *c) {
	if (frame_registry_settle(c->frames) < 0)
		log_error("replay marks cannot be read: new devices' frames are refused");
}

bool control_frame_keys_next(const struct control *c, uint32_t *at, struct channel_credential *k) {
	struct frame_key key;
	struct view name;

	if (!frame_registry_next(c->frames, at, &name, &key))
		return false;
	k->kind = key.algorithm == FRAME_AES_128_GCM ? CREDENTIAL_AES : CREDENTIAL_HMAC;
	k->number = key.number;
	k->name_len = (uint8_t)name.len;
	k->len = key.len;
	memcpy(k->name, name.p, name.len);
	memcpy(k->bytes, key.bytes, key.len);
	explicit_bzero(&key, sizeof(key));
	return true;
}
