// SPDX-License-Identifier: Apache-2.0
// Why is a device's data (not) there? What the workers remember of its last messages, beside what
// the registry knows of it.
#include "controlplane/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WHY_WAIT_MS 3000

// State and last refusal, for a device that is refused before the workers remember anything.
static void registry_add(struct control *c, const char *device, json_t *answer) {
	int error = 0;
	char *text = registry_device_show(c->registry, device, &error);
	json_t *json = text != NULL ? json_loads(text, 0, NULL) : NULL;
	json_t *state = json_object_get(json, "state"), *refused = json_object_get(json, "refused");

	json_object_set_new(
		answer, "state", json_is_string(state) ? json_incref(state) : json_string("unknown")
	);
	if (json_is_object(refused))
		json_object_set(answer, "refused", refused);
	json_decref(json);
	free(text);
}

void device_why(struct control *c, struct request *q, struct reply *r) {
	struct channel_why query = {0};
	struct channel_ack why = {0};
	const char *device = q->capture[0];
	char *text = NULL;

	query.device_len = (uint8_t)strnlen(device, CHANNEL_NAME_MAX);
	memcpy(query.device, device, query.device_len);
	int ret = link_text(c->link, CHANNEL_WHY, &query, WHY_WAIT_MS, &text, &why);
	json_t *answer = ret == 0 ? json_loads(text, 0, NULL) : NULL;
	free(text);
	if (answer == NULL) {
		reply_errno(r, ret != 0 ? ret : -EPROTO, device, why.text);
		return;
	}
	registry_add(c, device, answer);
	reply_json(r, 200, answer);
}
