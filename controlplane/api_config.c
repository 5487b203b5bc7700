// SPDX-License-Identifier: Apache-2.0
// The configuration: checked whole beside the file in force, then swapped, then told.
#include "config/config.h"
#include "config/durable_file.h"
#include "controlplane/api_config.h"
#include "controlplane/ca/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX (1u << 20)
#define ERRORS_MAX 32
#define APPLY_WAIT_MS 5000

char *config_text(const struct control *c, int *error) {
	char *text = NULL;
	struct stat s;
	int fd = open(c->config_path, O_RDONLY | O_CLOEXEC);

	*error = 0;
	if (fd < 0 || fstat(fd, &s) < 0) {
		*error = -errno;
	} else if (s.st_size > TEXT_MAX) {
		*error = -EFBIG;
	} else {
		text = calloc(1, (size_t)s.st_size + 1);
		if (text == NULL || read(fd, text, (size_t)s.st_size) != s.st_size) {
			*error = text == NULL ? -ENOMEM : -EIO;
			free(text);
			text = NULL;
		}
	}
	if (fd >= 0)
		close(fd);
	return text;
}

// As the file in force: sluiced, another user, must be able to read it.
static int file_put(const struct control *c, const char *path, const char *text) {
	return durable_file_write_like(path, text, strlen(text), 0640, c->config_path);
}

static json_t *errors_json(const struct config_error *errors, uint32_t count) {
	json_t *list = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(
			list,
			json_pack(
				"{s:i,s:s}", "line", (int)errors[i].line, "problem", errors[i].text
			)
		);
	return list;
}

// --- check

// What the running sluiced would make of the candidate. 0 with *ack; -errno: not asked, or refused.
static int
candidate_judge(struct control *c, const char *path, const char *text, struct channel_ack *ack) {
	struct channel_generation g = {.kind = GENERATION_CONFIG, .flags = GENERATION_CHECK};

	digest_sha256(text, strlen(text), g.sha256);
	snprintf(g.path, sizeof(g.path), "%.255s", path);
	*ack = (struct channel_ack) {0};
	return link_ask(c->link, CHANNEL_GENERATION, &g, APPLY_WAIT_MS, ack);
}

// False with the reply filled if the text is no good configuration. *told is what the data plane
// said of it: 0, with *ack; -ENOTCONN or -ETIMEDOUT if it said nothing.
static bool text_check(
	struct control *c,
	const char *text,
	struct reply *r,
	int *told,
	struct channel_ack *ack
) {
	struct config_error errors[ERRORS_MAX];
	struct config *loaded = NULL;
	char path[300];
	uint32_t count = 0;

	// Beside the file in force, so that relative references mean the same.
	snprintf(path, sizeof(path), "%s.candidate", c->config_path);
	int ret = file_put(c, path, text);
	if (ret < 0) {
		reply_error(
			r,
			ret == -ENOSPC ? 507 : 500,
			"not-written",
			"sluice-controld must be able to write beside the configuration file",
			"%s: %s",
			path,
			strerror(-ret)
		);
		return false;
	}
	ret = config_load(path, &loaded, errors, ERRORS_MAX, &count);
	config_free(loaded);
	*told = ret == 0 ? candidate_judge(c, path, text, ack) : 0;
	unlink(path);
	if (ret == 0 && *told < 0 && *told != -ENOTCONN && *told != -ETIMEDOUT) {
		reply_error(
			r,
			422,
			"refused-by-data-plane",
			"the configuration in force was not touched",
			"%s",
			ack->text
		);
		return false;
	}
	if (ret == 0)
		return true;
	reply_json(
		r,
		422,
		json_pack(
			"{s:{s:s,s:s,s:s},s:o}",
			"error",
			"code",
			"bad-configuration",
			"message",
			"the configuration has mistakes; the one in force was not touched",
			"hint",
			"mend the lines named and try again",
			"mistakes",
			errors_json(errors, count)
		)
	);
	return false;
}

// The changes to the file, by the option table; whether a restart is needed, by the running sluiced
// if it could be asked.
static json_t *
change_json(struct control *c, const char *text, int told, const struct channel_ack *ack) {
	int error = 0;
	char *now = config_text(c, &error);
	json_t *list = config_differences(now != NULL ? now : "{}", text);
	json_t *json = json_pack(
		"{s:b,s:b,s:o,s:s}",
		"good",
		true,
		"restart_required",
		told == 0 ? ack->pending > 0 : config_needs_restart(list),
		"changes",
		list,
		"data_plane",
		told == 0		    ? ack->text
			: told == -ENOTCONN ? "sluiced is not connected"
					    : "sluiced does not answer"
	);

	free(now);
	return json;
}

void config_check_text(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {{"text", JSON_STRING, true, TEXT_MAX}, {0}};

	struct channel_ack ack;
	int told = 0;

	if (!body_check(q, fields, r))
		return;
	const char *text = body_text(q, "text");
	if (text_check(c, text, r, &told, &ack))
		reply_json(r, 200, change_json(c, text, told, &ack));
}

// --- apply

static struct channel_generation
announcement(const struct control *c, int64_t version, const char *text) {
	struct channel_generation g = {.kind = GENERATION_CONFIG, .number = (uint64_t)version};

	digest_sha256(text, strlen(text), g.sha256);
	snprintf(g.path, sizeof(g.path), "%s", c->config_path);
	return g;
}

// The file and its version in the history, both or neither.
static int
store(struct control *c,
      struct request *q,
      const char *before,
      const char *text,
      const char *comment,
      int64_t *version) {
	int ret = file_put(c, c->config_path, text);

	if (ret < 0)
		return ret;
	ret = registry_config_add(c->registry, &q->author, comment, text, version);
	if (ret < 0 && before != NULL)
		(void)file_put(c, c->config_path, before);
	return ret;
}

// sluiced took the file when it was asked, and refused it when it was told: both stand in the
// history, and what was in force is again.
static void put_back(
	struct control *c,
	struct request *q,
	const char *before,
	const struct channel_ack *ack,
	struct reply *r
) {
	char comment[400];
	int64_t version = 0;

	snprintf(comment, sizeof(comment), "put back: %.300s", ack->text);
	if (before != NULL && store(c, q, NULL, before, comment, &version) == 0) {
		struct channel_generation g = announcement(c, version, before);
		struct channel_ack again;
		(void)link_announce(c->link, &g, APPLY_WAIT_MS, &again);
	}
	reply_error(
		r, 409, "not-applied", "the configuration before was put back", "%s", ack->text
	);
}

static const char *applied_label(int told, const struct channel_ack *ack) {
	if (told == -ENOTCONN)
		return "when-connected";
	if (told < 0)
		return "waiting";
	return ack->pending > 0 ? "restart-required" : "yes";
}

void config_take(
	struct control *c,
	struct request *q,
	const char *text,
	const char *comment,
	struct reply *r
) {
	bool later = json_is_true(json_object_get(q->json, "restart_later"));
	struct channel_ack ack;
	int64_t version = 0;
	int error = 0, told = 0;

	if (!text_check(c, text, r, &told, &ack))
		return;
	if (told == 0 && ack.pending > 0 && !later) {
		reply_error(
			r,
			409,
			"restart-required",
			"with --restart-later the file waits for the next start of sluiced, as a "
			"whole",
			"nothing was changed: %s",
			ack.text
		);
		return;
	}
	json_t *json = change_json(c, text, told, &ack);
	char *before = config_text(c, &error);
	int ret = store(c, q, before, text, comment, &version);
	if (ret < 0) {
		json_decref(json);
		reply_error(
			r,
			ret == -ENOSPC ? 507 : 500,
			"not-stored",
			"the configuration in force was not touched",
			"%s: %s",
			c->config_path,
			strerror(-ret)
		);
		free(before);
		return;
	}
	struct channel_generation g = announcement(c, version, text);
	g.flags = later ? GENERATION_LATER : 0;
	told = link_announce(c->link, &g, APPLY_WAIT_MS, &ack);
	if (told < 0 && told != -ENOTCONN && told != -ETIMEDOUT) {
		json_decref(json);
		put_back(c, q, before, &ack, r);
		free(before);
		return;
	}
	json_object_set_new(json, "version", json_integer(version));
	json_object_set_new(json, "applied", json_string(applied_label(told, &ack)));
	if (told == 0) {
		json_object_set_new(json, "restart_required", json_boolean(ack.pending > 0));
		json_object_set_new(json, "data_plane", json_string(ack.text));
		json_object_set_new(json, "workers", json_integer(ack.workers));
		json_object_set_new(
			json, "apply_us", json_integer((json_int_t)(ack.apply_ns / 1000))
		);
	}
	reply_json(r, 200, json);
	free(before);
}

void config_apply(struct control *c, struct request *q, struct reply *r) {
	static const struct body_field fields[] = {
		{"text", JSON_STRING, true, TEXT_MAX},
		{"comment", JSON_STRING, false, 500},
		{"restart_later", JSON_TRUE, false, 0},
		{0}
	};

	if (!body_check(q, fields, r))
		return;
	const char *comment = body_text(q, "comment");
	config_take(c, q, body_text(q, "text"), comment != NULL ? comment : "", r);
}

void config_show(struct control *c, struct request *q, struct reply *r) {
	int error = 0;
	char *text = config_text(c, &error);

	if (text == NULL) {
		reply_errno(r, error, c->config_path, strerror(-error));
		return;
	}
	const struct link_state *l = link_state(c->link);
	reply_json(
		r,
		200,
		json_pack(
			"{s:s,s:I,s:s,s:o,s:i}",
			"path",
			c->config_path,
			"version",
			(json_int_t)registry_config_current(c->registry),
			"text",
			text,
			"in_force",
			l->connected ? json_integer((json_int_t)l->config_generation) : json_null(),
			"pending",
			(int)l->config_pending
		)
	);
	free(text);
}

// The newest is the file; the data plane says what it works with.
static const char *version_state(const struct link_state *l, int64_t version, int64_t newest) {
	if (l->connected && l->config_generation == (uint64_t)version)
		return l->config_pending > 0 ? "partly" : "in-force";
	return version == newest ? "waiting" : "past";
}

void config_history(struct control *c, struct request *q, struct reply *r) {
	int64_t limit;
	int error = 0;
	json_t *v;
	size_t i;

	if (!query_number(q, "limit", 50, 10000, &limit, r))
		return;
	char *text = registry_config_history(c->registry, limit, &error);
	if (text == NULL) {
		reply_errno(r, error, "history", registry_why(c->registry));
		return;
	}
	json_t *json = json_loads(text, 0, NULL);
	free(text);
	json_array_foreach(json_object_get(json, "versions"), i, v) {
		int64_t version = json_integer_value(json_object_get(v, "version"));
		const char *state = version_state(
			link_state(c->link), version, registry_config_current(c->registry)
		);
		json_object_set_new(v, "state", json_string(state));
	}
	reply_json(r, 200, json);
}

void config_version(struct control *c, struct request *q, struct reply *r) {
	int64_t version = strtoll(q->capture[0], NULL, 10);
	int error = 0;
	char *text = registry_config_text(c->registry, version, &error);

	if (text == NULL)
		reply_errno(r, error, "version", registry_why(c->registry));
	else
		reply_json(
			r, 200, json_pack("{s:I,s:s}", "version", (json_int_t)version, "text", text)
		);
	free(text);
}

void config_rollback(struct control *c, struct request *q, struct reply *r) {
	struct rollback to;
	int error = 0;

	if (!rollback_body(q, true, registry_config_current(c->registry), &to, r))
		return;
	char *text = registry_config_text(c->registry, to.version, &error);
	if (text == NULL)
		rollback_unknown(r, "config", to.version);
	else
		config_take(c, q, text, to.comment, r);
	free(text);
}

void config_adopt(struct control *c) {
	struct author self = {.name = "sluice-controld", .uid = getuid()};
	int64_t current = registry_config_current(c->registry), version;
	int error = 0;
	char *text = config_text(c, &error);
	char *last = registry_config_text(c->registry, current, &error);

	// Somebody edited the file by hand: that is a version too.
	if (text != NULL && (last == NULL || strcmp(text, last) != 0))
		(void)registry_config_add(
			c->registry,
			&self,
			last == NULL ? "found at start" : "changed outside of sluicectl",
			text,
			&version
		);
	if (text != NULL) {
		struct channel_generation g =
			announcement(c, registry_config_current(c->registry), text);
		link_configuration(c->link, &g);
	}
	free(last);
	free(text);
}
