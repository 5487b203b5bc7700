// SPDX-License-Identifier: Apache-2.0
// The main thread's side of `why`.
#include "dataplane/why.h"

#include <string.h>
#include <yyjson.h>

void why_ask(struct why_box *boxes, uint16_t workers, struct view device) {
	for (uint16_t w = 0; w < workers; w++) {
		struct why_box *b = &boxes[w];
		b->device_len = device.len < DEVICE_ID_MAX ? device.len : DEVICE_ID_MAX;
		memcpy(b->device, device.p, b->device_len);
		atomic_fetch_add_explicit(&b->asked, 1, memory_order_release);
	}
}

bool why_answered(const struct why_box *boxes, uint16_t workers) {
	for (uint16_t w = 0; w < workers; w++)
		if (atomic_load_explicit(&boxes[w].answered, memory_order_acquire)
		    != atomic_load_explicit(&boxes[w].asked, memory_order_relaxed))
			return false;
	return true;
}

static void text_add(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *name, const char *text) {
	if (text[0] != '\0')
		yyjson_mut_obj_add_strcpy(doc, o, name, text);
}

static yyjson_mut_val *
decision_json(yyjson_mut_doc *doc, uint16_t worker, const struct decision_shown *d) {
	yyjson_mut_val *o = yyjson_mut_obj(doc);

	yyjson_mut_obj_add_sint(doc, o, "at_s", d->at_s);
	yyjson_mut_obj_add_str(doc, o, "decision", d->decision);
	text_add(doc, o, "reason", d->reason);
	text_add(doc, o, "class", d->class);
	text_add(doc, o, "field", d->field);
	text_add(doc, o, "profile", d->profile);
	yyjson_mut_obj_add_str(doc, o, "transport", d->transport);
	if (d->detail != 0)
		yyjson_mut_obj_add_uint(doc, o, "detail", d->detail);
	yyjson_mut_obj_add_uint(doc, o, "times", d->times);
	yyjson_mut_obj_add_uint(doc, o, "worker", worker);
	return o;
}

char *why_json(const struct why_box *boxes, uint16_t workers) {
	yyjson_mut_doc *doc = yyjson_mut_doc_new(nullptr);
	yyjson_mut_val *root = yyjson_mut_obj(doc), *list = yyjson_mut_arr(doc);
	bool known = false;

	yyjson_mut_doc_set_root(doc, root);
	yyjson_mut_obj_add_strn(
		doc, root, "device", (const char *)boxes[0].device, boxes[0].device_len
	);
	for (uint16_t w = 0; w < workers; w++) {
		known |= boxes[w].count >= 0;
		for (int i = 0; i < boxes[w].count; i++)
			yyjson_mut_arr_append(list, decision_json(doc, w, &boxes[w].decisions[i]));
	}
	// False: no message of it came so far that its device was known, or it was forgotten.
	yyjson_mut_obj_add_bool(doc, root, "remembered", known);
	yyjson_mut_obj_add_val(doc, root, "decisions", list);
	char *text = yyjson_mut_write(doc, 0, nullptr);
	yyjson_mut_doc_free(doc);
	return text;
}
