// SPDX-License-Identifier: Apache-2.0
#include "dataplane/crypto/base64.h"
#include "dataplane/letters/letter.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const char *text(yyjson_val *root, const char *name) {
	const char *s = yyjson_get_str(yyjson_obj_get(root, name));

	return s != nullptr ? s : "";
}

static uint64_t number(yyjson_val *root, const char *name, uint64_t max) {
	yyjson_val *v = yyjson_obj_get(root, name);
	uint64_t n = yyjson_is_uint(v) ? yyjson_get_uint(v) : 0;

	return n <= max ? n : max;
}

bool letter_parse(struct view value, struct letter *l) {
	yyjson_doc *doc = yyjson_read((const char *)value.p, value.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_val *original = yyjson_obj_get(root, "original");

	if (strcmp(text(root, "type"), "dead-letter") != 0 || !yyjson_is_str(original)) {
		yyjson_doc_free(doc);
		return false;
	}
	*l = (struct letter) {
		.doc = doc,
		.reason = text(root, "reason"),
		.detail = text(root, "detail"),
		.stage = text(root, "stage"),
		.transport = text(root, "transport"),
		.profile = text(root, "profile"),
		.device = text(root, "device"),
		.path = text(root, "path"),
		.peer = text(root, "peer"),
		.format = text(root, "format"),
		.original = view_of(yyjson_get_str(original), (uint32_t)yyjson_get_len(original)),
		.arrival_ns = yyjson_get_sint(yyjson_obj_get(root, "arrival_ns")),
		.epoch = number(root, "epoch", UINT64_MAX),
		.seq = number(root, "seq", UINT64_MAX),
		.realm = (uint16_t)number(root, "realm", UINT16_MAX),
		.peer_port = (uint16_t)number(root, "peer_port", UINT16_MAX),
		.replays = (uint8_t)number(root, "replays", UINT8_MAX),
	};
	return true;
}

void letter_free(struct letter *l) {
	yyjson_doc_free(l->doc);
	l->doc = nullptr;
}

static bool format_find(const char *label, enum payload_format *out) {
	for (enum payload_format f = 0; f < PAYLOAD_FORMAT_COUNT; f++) {
		if (strcmp(payload_format_label(f), label) != 0)
			continue;
		*out = f;
		return true;
	}
	return false;
}

static bool text_copy(const char *from, uint8_t *to, uint32_t room, uint32_t *len) {
	size_t n = strlen(from);

	if (n > room)
		return false;
	memcpy(to, from, n);
	*len = (uint32_t)n;
	return true;
}

static void peer_copy(const char *peer, struct letter_slot *s) {
	s->peer_len = 0;
	if (inet_pton(AF_INET, peer, s->peer) == 1)
		s->peer_len = 4;
	else if (inet_pton(AF_INET6, peer, s->peer) == 1)
		s->peer_len = 16;
}

const char *letter_to_slot(const struct letter *l, struct letter_slot *s) {
	size_t len;

	if (!format_find(l->format, &s->format))
		return "it holds an encoded record, not what the device sent";
	if (!text_copy(l->device, s->device, sizeof(s->device), &s->device_len)
	    || !text_copy(l->path, s->path, sizeof(s->path), &s->path_len)
	    || strlen(l->profile) >= sizeof(s->profile))
		return "a text in it is too long";
	if (!base64_decode(l->original, s->payload, sizeof(s->payload), &len))
		return "its original bytes are no base64 or too long";
	snprintf(s->profile, sizeof(s->profile), "%s", l->profile);
	peer_copy(l->peer, s);
	s->payload_len = (uint32_t)len;
	s->realm = l->realm;
	s->peer_port = l->peer_port;
	s->arrival_ns = l->arrival_ns;
	s->epoch = l->epoch;
	s->seq = l->seq;
	s->replays = l->replays < UINT8_MAX ? (uint8_t)(l->replays + 1) : UINT8_MAX;
	return nullptr;
}
