// SPDX-License-Identifier: Apache-2.0
// Why is a device's data (not) there? What the workers remember of its last messages, beside what
// the registry knows of it.
#include "controlplane/later.h"

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

static void why_done(struct control *c, struct later *l, struct reply *r) {
	const char *device = l->keep != NULL ? l->keep : "";
	json_t *answer = later_answer(l, device, r);

	if (answer == NULL)
		return;
	registry_add(c, device, answer);
	reply_json(r, 200, answer);
}

void device_why(struct control *c, struct request *q, struct reply *r) {
	static const struct later_kind kind = {
		.type = CHANNEL_WHY, .text = true, .wait_ms = WHY_WAIT_MS, .done = why_done
	};
	const char *device = q->capture[0];
	struct later *l = later_make(c, &kind, q, r);

	if (l == NULL)
		return;
	struct channel_why *query = (void *)l->element;
	query->device_len = (uint8_t)strnlen(device, CHANNEL_NAME_MAX);
	memcpy(query->device, device, query->device_len);
	l->keep = strdup(device);
	later_start(c, l, r);
}
