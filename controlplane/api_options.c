// SPDX-License-Identifier: Apache-2.0
// The configuration option by option, by the table of the schema: what differs between two texts,
// what an option is, setting one.
#include "config/flat.h"
#include "config/schema.h"
#include "controlplane/api_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- what differs

static const struct option *option_of(const char *path) {
	char plain[256];

	flat_option_path(path, plain, sizeof(plain));
	const struct option *o = option_find(plain);
	// Elements of plain lists ("ports[].devices[]") belong to the list.
	size_t n = strlen(plain);
	while (o == NULL && n > 2 && strcmp(plain + n - 2, "[]") == 0) {
		plain[n -= 2] = '\0';
		o = option_find(plain);
	}
	return o;
}

static void difference(json_t *list, const char *path, const char *was, const char *is) {
	const struct option *o = option_of(path);
	bool secret = o != NULL && o->type == OPTION_SECRET;
	bool live = o != NULL && (o->flags & OPTION_LIVE) != 0;

	json_array_append_new(
		list,
		json_pack(
			"{s:s,s:o,s:o,s:b}",
			"option",
			path,
			"was",
			was == NULL ? json_null() : json_string(secret ? "(secret)" : was),
			"is",
			is == NULL ? json_null() : json_string(secret ? "(secret)" : is),
			"restart",
			!live
		)
	);
}

json_t *config_differences(const char *before, const char *after) {
	struct flat old = {0}, new = {0};
	json_t *list = json_array();
	char why[128];

	if (flat_read(before, &old, why, sizeof(why)) == 0
	    && flat_read(after, &new, why, sizeof(why)) == 0) {
		for (size_t i = 0; i < new.count; i++) {
			const struct flat_item *was = flat_find(&old, new.items[i].path);
			if (was == NULL || strcmp(was->value, new.items[i].value) != 0)
				difference(
					list,
					new.items[i].path,
					was != NULL ? was->value : NULL,
					new.items[i].value
				);
		}
		for (size_t i = 0; i < old.count; i++)
			if (flat_find(&new, old.items[i].path) == NULL)
				difference(list, old.items[i].path, old.items[i].value, NULL);
	}
	flat_free(&old);
	flat_free(&new);
	return list;
}

bool config_needs_restart(const json_t *list) {
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v) if (json_is_true(json_object_get(v, "restart"))) return true;
	return false;
}

// --- single options

static json_t *option_json(const struct option *o, const char *path, const char *value) {
	bool secret = o->type == OPTION_SECRET && value != NULL;

	return json_pack(
		"{s:s,s:o,s:b,s:s,s:o,s:b,s:s}",
		"option",
		path,
		"value",
		secret				  ? json_string("(secret)")
			: value != NULL		  ? json_string(value)
			: o->default_text != NULL ? json_string(o->default_text)
						  : json_null(),
		"given",
		value != NULL,
		"type",
		option_type_label(o->type),
		"unit",
		o->unit != NULL ? json_string(o->unit) : json_null(),
		"restart",
		(o->flags & OPTION_LIVE) == 0,
		"help",
		o->help
	);
}

static bool is_value(const struct option *o) {
	return o->type != OPTION_MAP && o->type != OPTION_LIST;
}

void config_get(struct control *c, struct request *q, struct reply *r) {
	const char *wanted = query_text(q, "option");
	json_t *list = json_array();
	struct flat f;
	char why[128];
	int error = 0;
	char *text = config_text(c, &error);

	if (text == NULL || flat_read(text, &f, why, sizeof(why)) < 0) {
		reply_errno(
			r, error < 0 ? error : -EINVAL, c->config_path, text != NULL ? why : ""
		);
		free(text);
		json_decref(list);
		return;
	}
	for (size_t i = 0; i < f.count; i++) {
		const struct option *o = option_of(f.items[i].path);
		if (o != NULL && (wanted == NULL || strcmp(wanted, f.items[i].path) == 0))
			json_array_append_new(
				list, option_json(o, f.items[i].path, f.items[i].value)
			);
	}
	for (size_t i = 0; i < config_option_count; i++) {
		const struct option *o = &config_options[i];
		if (strstr(o->path, "[]") == NULL && is_value(o) && flat_find(&f, o->path) == NULL
		    && (wanted == NULL || strcmp(wanted, o->path) == 0))
			json_array_append_new(list, option_json(o, o->path, NULL));
	}
	flat_free(&f);
	free(text);
	if (wanted != NULL && json_array_size(list) == 0) {
		json_decref(list);
		reply_error(
			r,
			404,
			"unknown",
			"`sluicectl config get` lists all options",
			"there is no option '%.100s'",
			wanted
		);
		return;
	}
	reply_json(r, 200, json_pack("{s:o}", "options", list));
}

void config_set(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"option", JSON_STRING, true, 200},
		{"value", JSON_STRING, true, 4096},
		{"comment", JSON_STRING, false, 500},
		{"restart_later", JSON_TRUE, false, 0},
		{0},
	};
	char why[128], comment[256];
	struct flat f = {0};
	int error = 0;

	if (!body_check(q, fields, r))
		return;
	const char *path = body_text(q, "option");
	const char *value = body_text(q, "value");
	const char *given = body_text(q, "comment");
	const struct option *o = option_of(path);
	if (o == NULL || !is_value(o)) {
		reply_error(
			r,
			404,
			"unknown",
			"`sluicectl config get` lists all options",
			"there is no option '%.100s'",
			path
		);
		return;
	}
	char *text = config_text(c, &error);
	char *changed = NULL;
	if (text != NULL && flat_read(text, &f, why, sizeof(why)) == 0)
		changed = flat_set(text, &f, path, value);
	if (changed == NULL)
		reply_error(
			r,
			409,
			"no-place",
			"change the file with `config show`, an editor and `config apply`",
			"'%.100s' cannot be set by itself",
			path
		);
	else {
		snprintf(comment, sizeof(comment), "set %.200s", path);
		config_take(c, q, changed, given != NULL ? given : comment, r);
	}
	flat_free(&f);
	free(changed);
	free(text);
}
