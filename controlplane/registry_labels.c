// SPDX-License-Identifier: Apache-2.0
// Sets of labels: one row for all devices that have the same, one element of the channel.
#include "controlplane/registry_state.h"

#include <errno.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int pair_compare(const void *a, const void *b) {
	return label_order(((const struct label *)a)->name, ((const struct label *)b)->name);
}

// What of the object is within the bounds, in order. Returns the number of pairs left out.
static size_t pack(const json_t *labels, uint8_t room[LABELS_BYTES_MAX], struct view *out) {
	size_t n = json_object_size(labels), count = 0, left_out = 0;
	struct label *list = calloc(n + 1, sizeof(*list));
	const char *name;
	json_t *v;

	*out = (struct view) {0};
	if (list == NULL)
		return n;
	json_object_foreach((json_t *)(uintptr_t)labels, name, v) {
		if (!json_is_string(v)) {
			left_out++;
			continue;
		}
		list[count++] = (struct label) {
			.name = view_of(name, (uint32_t)strlen(name)),
			.value = view_of(json_string_value(v), (uint32_t)json_string_length(v)),
		};
	}
	qsort(list, count, sizeof(*list), pair_compare);
	for (size_t i = 0; i < count; i++)
		left_out += !labels_append(out, room, list[i]);
	free(list);
	return left_out;
}

// One text for one set, whatever the order it was written in. NULL with a sentence if it is none.
static char *canonical(struct registry *r, const char *text, bool *empty) {
	json_t *labels = json_loads(text, 0, NULL);
	uint8_t room[LABELS_BYTES_MAX];
	char *out = NULL;
	struct view set;

	if (!json_is_object(labels))
		snprintf(
			r->sql.why,
			sizeof(r->sql.why),
			"labels are key=value;key=value, or a JSON object of texts"
		);
	else if (pack(labels, room, &set) > 0)
		snprintf(
			r->sql.why,
			sizeof(r->sql.why),
			"labels are texts: at most %d, a name of 1 to %d bytes, a value of at most "
			"%d, %d bytes in all",
			LABELS_MAX,
			LABEL_NAME_MAX,
			LABEL_VALUE_MAX,
			LABELS_BYTES_MAX - 2 * LABELS_MAX
		);
	else
		out = json_dumps(labels, JSON_SORT_KEYS | JSON_COMPACT);
	*empty = json_object_size(labels) == 0;
	json_decref(labels);
	return out;
}

int registry_label_set(struct registry *r, const char *labels, int64_t *id) {
	bool empty;
	char *text = canonical(r, labels, &empty);
	int ret = 0;

	*id = 0;
	if (text == NULL)
		return -EINVAL;
	if (!empty) {
		ret =
			sql_run(&r->sql,
				"INSERT INTO label_sets(labels) VALUES(?) ON CONFLICT DO NOTHING",
				"t",
				text);
		if (ret >= 0)
			ret = sql_number(
				&r->sql, id, "SELECT id FROM label_sets WHERE labels=?", "t", text
			);
	}
	free(text);
	return ret < 0 ? ret : 0;
}

static void element_fill(struct channel_labels *out, struct sqlite3_stmt *q) {
	const char *text = (const char *)sqlite3_column_text(q, 1);
	json_t *labels = text != NULL ? json_loads(text, 0, NULL) : NULL;
	struct view set = {0};

	*out = (struct channel_labels) {.set = (uint32_t)sqlite3_column_int64(q, 0)};
	(void)pack(labels, out->bytes, &set);
	out->len = (uint16_t)set.len;
	json_decref(labels);
}

int registry_labels_since(
	struct registry *r,
	uint64_t since,
	int64_t *cursor,
	struct channel_labels *out,
	uint32_t max
) {
	uint32_t n = 0;
	int ret = 1;
	// Every set has a device. A delta has few devices, and of these some have one set.
	struct sqlite3_stmt *q = since == 0
		? sql_begin(
			  &r->sql,
			  "SELECT id,labels FROM label_sets WHERE id>? ORDER BY id",
			  "i",
			  *cursor
		  )
		: sql_begin(
			  &r->sql,
			  "SELECT id,labels FROM label_sets WHERE id>?2 AND id IN (SELECT "
			  "label_set "
			  "FROM devices INDEXED BY devices_version WHERE version>?1) ORDER BY id",
			  "ii",
			  (int64_t)since,
			  *cursor
		  );

	while (n < max && (ret = sql_row(&r->sql, q)) > 0) {
		element_fill(&out[n], q);
		*cursor = sqlite3_column_int64(q, 0);
		n += out[n].len > 0;
	}
	sql_end(q);
	return ret < 0 ? ret : (int)n;
}
