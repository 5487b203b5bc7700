// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"
#include "config/nearest.h"
#include "config/profile_print.h"
#include "dataplane/daemon.h"
#include "dataplane/profile_command.h"
#include "parsers/labels.h"
#include "pipelines/profile_trial.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: sluiced profile list [--config FILE] [--json]\n"
	"       sluiced profile show [--config FILE] NAME\n"
	"       sluiced profile test [--config FILE] [--profile NAME] [--listener NAME]\n"
	"                            [--path PATH] [--device DEVICE] [--label NAME=VALUE]...\n"
	"                            [--registry-profile NAME] [--at NS] [--json] SAMPLE\n"
	"\n"
	"test shows what becomes of the message in the file SAMPLE ('-': standard input) that "
	"comes\n"
	"in by a listener (the first one of MQTT or CoAP with --path, else the first) under PATH,\n"
	"from DEVICE if the transport proves it, at NS nanoseconds since 1970 (now). The registry "
	"is\n"
	"not asked: --label and --registry-profile say what it would say of the device.\n";

struct question {
	const char *config;
	const char *profile;
	const char *listener;
	const char *path;
	const char *device;
	const char *at;
	const char *registry_profile;
	const char *labels[LABELS_MAX];
	uint32_t label_count;
	bool json;
};

static int options_parse(int argc, char **argv, struct question *q) {
	static const struct option longs[] = {
		{"config", required_argument, nullptr, 'c'},
		{"profile", required_argument, nullptr, 'p'},
		{"listener", required_argument, nullptr, 'l'},
		{"path", required_argument, nullptr, 't'},
		{"device", required_argument, nullptr, 'd'},
		{"at", required_argument, nullptr, 'a'},
		{"label", required_argument, nullptr, 'L'},
		{"registry-profile", required_argument, nullptr, 'r'},
		{"json", no_argument, nullptr, 'j'},
		{},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:", longs, nullptr)) != -1) {
		switch (option) {
		case 'c':
			q->config = optarg;
			break;
		case 'p':
			q->profile = optarg;
			break;
		case 'l':
			q->listener = optarg;
			break;
		case 't':
			q->path = optarg;
			break;
		case 'd':
			q->device = optarg;
			break;
		case 'a':
			q->at = optarg;
			break;
		case 'r':
			q->registry_profile = optarg;
			break;
		case 'L':
			if (q->label_count == LABELS_MAX)
				return -1;
			q->labels[q->label_count++] = optarg;
			break;
		case 'j':
			q->json = true;
			break;
		default:
			return -1;
		}
	}
	return 0;
}

static const struct profile *profile_named(const struct config *c, const char *name) {
	struct nearest near;

	nearest_init(&near, name);
	for (uint32_t i = 0; i < c->profile_count; i++) {
		if (strcmp(c->profiles[i].name, name) == 0)
			return &c->profiles[i];
		nearest_offer(&near, c->profiles[i].name);
	}
	fprintf(stderr,
		"there is no profile '%s'%s%s%s\n",
		name,
		near.best != nullptr ? "; did you mean '" : "",
		near.best != nullptr ? near.best : "",
		near.best != nullptr ? "'?" : "");
	return nullptr;
}

static const struct config_listener *listener_named(const struct config *c, const char *name) {
	for (uint32_t i = 0; i < c->listener_count; i++)
		if (strcmp(c->listeners[i].name, name) == 0)
			return &c->listeners[i];
	fprintf(stderr, "there is no listener '%s'\n", name);
	return nullptr;
}

static const struct config_listener *listener_first(const struct config *c, bool path) {
	for (uint32_t i = 0; i < c->listener_count; i++) {
		enum listener_protocol p = c->listeners[i].protocol;
		if (!path || p == LISTEN_MQTT || p == LISTEN_COAP)
			return &c->listeners[i];
	}
	fprintf(stderr, "the configuration has no listener for that\n");
	return nullptr;
}

static void list_json(const struct config *c) {
	for (uint32_t i = 0; i < c->profile_count; i++) {
		const struct profile *p = &c->profiles[i];
		printf("%s{\"name\":\"%s\",\"schema\":%" PRIu32
		       ",\"route\":\"%s\",\"format\":\"%s\""
		       ",\"fields\":%" PRIu32 ",\"steps\":%" PRIu32 ",\"paths\":[",
		       i == 0 ? "[" : ",\n ",
		       p->name,
		       p->schema_version,
		       p->route->name,
		       p->format == 0 ? "as-sent"
				      : payload_format_label((enum payload_format)(p->format - 1)),
		       p->field_count,
		       p->step_count);
		for (uint32_t k = 0; k < p->match.path_count; k++) {
			printf("%s\"", k == 0 ? "" : ",");
			for (const char *s = p->match.paths[k]; *s != '\0'; s++)
				printf(*s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
			printf("\"");
		}
		printf("]}");
	}
	printf("%s]\n", c->profile_count == 0 ? "[" : "");
}

static int list(const struct config *c, bool json) {
	if (json) {
		list_json(c);
		return EXIT_STATUS_OK;
	}
	printf("%-20s %6s %-16s %6s %5s  %s\n",
	       "NAME",
	       "SCHEMA",
	       "ROUTE",
	       "FIELDS",
	       "STEPS",
	       "PATHS");
	for (uint32_t i = 0; i < c->profile_count; i++) {
		const struct profile *p = &c->profiles[i];
		printf("%-20s %6" PRIu32 " %-16s %6" PRIu32 " %5" PRIu32,
		       p->name,
		       p->schema_version,
		       p->route->name,
		       p->field_count,
		       p->step_count);
		for (uint32_t k = 0; k < p->match.path_count; k++)
			printf("%s%s", k == 0 ? "  " : " ", p->match.paths[k]);
		printf("\n");
	}
	return EXIT_STATUS_OK;
}

static struct view view_text(const char *s) {
	return s == nullptr ? (struct view) {0} : view_of(s, (uint32_t)strlen(s));
}

static int sample_read(const char *name, uint8_t *room, uint32_t *size) {
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");

	if (f == nullptr) {
		fprintf(stderr, "%s: %s\n", name, strerror(errno));
		return -1;
	}
	*size = (uint32_t)fread(room, 1, PAYLOAD_MAX, f);
	if (f != stdin)
		fclose(f);
	return 0;
}

static int64_t wall_now(void) {
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// By name, for a set is sorted: the least of those behind the last one.
static const char *label_least(const struct question *q, struct view last) {
	const char *least = nullptr;

	for (uint32_t i = 0; i < q->label_count; i++) {
		struct view name = view_of(q->labels[i], (uint32_t)strcspn(q->labels[i], "="));
		if (label_order(name, last) <= 0)
			continue;
		if (least == nullptr
		    || label_order(name, view_of(least, (uint32_t)strcspn(least, "="))) < 0)
			least = q->labels[i];
	}
	return least;
}

// Into room[LABELS_BYTES_MAX]. False: one of them is no label, or there is one twice.
static bool labels_read(const struct question *q, uint8_t *room, struct view *out) {
	struct label l = {0};
	uint32_t n = 0;

	for (const char *s = label_least(q, l.name); s != nullptr; s = label_least(q, l.name)) {
		const char *equals = strchr(s, '=');
		if (equals == nullptr)
			break;
		l.name = view_of(s, (uint32_t)(equals - s));
		l.value = view_text(equals + 1);
		if (!labels_append(out, room, l))
			break;
		n++;
	}
	if (n == q->label_count)
		return true;
	fprintf(stderr,
		"--label is NAME=VALUE, each name once: at most %d, a name of 1 to %d bytes, a "
		"value of "
		"at most %d\n",
		LABELS_MAX,
		LABEL_NAME_MAX,
		LABEL_VALUE_MAX);
	return false;
}

static int test(struct config *c, const struct question *q, const char *sample) {
	static uint8_t payload[PAYLOAD_MAX], labels[LABELS_BYTES_MAX];
	uint32_t size = 0;
	struct profile_trial t = {
		.path = view_text(q->path),
		.device = view_text(q->device),
		.registry_profile = view_text(q->registry_profile),
		.wall_ns = q->at != nullptr ? strtoll(q->at, nullptr, 10) : wall_now(),
		.json = q->json,
	};

	t.listener = q->listener != nullptr ? listener_named(c, q->listener)
					    : listener_first(c, q->path != nullptr);
	if (q->profile != nullptr)
		t.profile = profile_named(c, q->profile);
	if (!labels_read(q, labels, &t.labels))
		return EXIT_STATUS_CONFIG;
	if (t.listener == nullptr || (q->profile != nullptr && t.profile == nullptr))
		return EXIT_STATUS_CONFIG;
	if (sample_read(sample, payload, &size) < 0)
		return EXIT_STATUS_CONFIG;
	t.payload = view_of(payload, size);
	int ret = profile_trial_run(c, &t, stdout);
	if (ret < 0)
		fprintf(stderr, "%s\n", strerror(-ret));
	if (ret < 0)
		return EXIT_STATUS_START;
	return ret > 0 ? EXIT_STATUS_NOT_TAKEN : EXIT_STATUS_OK;
}

int profile_command(int argc, char **argv) {
	struct question q = {.config = "/etc/sluice/sluice.yaml"};
	const char *verb = argc > 1 ? argv[1] : "";
	int status = EXIT_STATUS_CONFIG;

	if (argc < 2 || options_parse(argc - 1, argv + 1, &q) < 0) {
		fputs(usage, stderr);
		return status;
	}
	char **rest = argv + 1 + optind;
	int count = argc - 1 - optind;
	bool lists = strcmp(verb, "list") == 0 && count == 0;
	bool shows = strcmp(verb, "show") == 0 && count == 1;
	if (!lists && !shows && (strcmp(verb, "test") != 0 || count != 1)) {
		fputs(usage, stderr);
		return status;
	}
	struct config *c = daemon_load_config(q.config);
	if (c == nullptr)
		return status;
	if (lists) {
		status = list(c, q.json);
	} else if (shows) {
		const struct profile *p = profile_named(c, rest[0]);
		if (p != nullptr)
			profile_print(stdout, p);
		status = p != nullptr ? EXIT_STATUS_OK : EXIT_STATUS_CONFIG;
	} else {
		status = test(c, &q, rest[0]);
	}
	config_free(c);
	return status;
}
