// SPDX-License-Identifier: Apache-2.0
// sluicectl: words to an entry of the command table, options to query or body, one call.
#include "controlplane/cli/command.h"
#include "controlplane/secret_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATH_ROOM 1500

static bool noun_known(const char *noun) {
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].noun, noun) == 0)
			return true;
	return false;
}

static const struct command *command_find(const char *noun, const char *verb, int *words) {
	for (size_t i = 0; i < command_count; i++) {
		const struct command *c = &commands[i];
		if (strcmp(c->noun, noun) != 0)
			continue;
		if (c->verb == NULL) {
			*words = 1;
			return c;
		}
		if (verb != NULL && strcmp(c->verb, verb) == 0) {
			*words = 2;
			return c;
		}
	}
	return NULL;
}

static const struct cli_option *
option_named(const struct cli_option *list, const char *name, size_t n) {
	for (; list->name != NULL; list++)
		if (strlen(list->name) == n && strncmp(list->name, name, n) == 0)
			return list;
	return NULL;
}

const char *given_text(const struct invocation *v, const char *name) {
	for (int i = v->given_count; i-- > 0;)
		if (strcmp(v->given[i].option->name, name) == 0)
			return v->given[i].value;
	return NULL;
}

bool given_flag(const struct invocation *v, const char *name) {
	for (int i = 0; i < v->given_count; i++)
		if (strcmp(v->given[i].option->name, name) == 0)
			return true;
	return false;
}

static int wrong(const char *before, const char *what, const char *after) {
	fprintf(stderr,
		"sluicectl: %s'%s'%s\n"
		"  `sluicectl --help` lists the commands, `sluicectl NOUN --help` their verbs\n",
		before,
		what,
		after);
	return EXIT_USAGE;
}

static bool global_take(struct invocation *v, const char *name, const char *value) {
	if (strcmp(name, "json") == 0)
		v->json = true;
	else if (strcmp(name, "yes") == 0)
		v->yes = true;
	else if (strcmp(name, "socket") == 0)
		v->socket = value;
	else
		return false;
	return true;
}

// One "--option[=value]". Returns words used, or -1.
static int option_take(struct invocation *v, char **argv, int left) {
	const char *name = argv[0] + 2, *equals = strchr(name, '=');
	size_t n = equals != NULL ? (size_t)(equals - name) : strlen(name);
	const struct cli_option *o = option_named(global_options, name, n);
	bool global = o != NULL;

	if (o == NULL && v->command != NULL)
		o = option_named(v->command->options, name, n);
	if (o == NULL || v->given_count == GIVEN_MAX) {
		(void)wrong("unknown option ", argv[0], "");
		return -1;
	}
	const char *value = equals != NULL ? equals + 1 : NULL;
	int used = 1;
	if (o->argument != NULL && value == NULL) {
		if (left < 2) {
			(void)wrong("option ", argv[0], " wants a value");
			return -1;
		}
		value = argv[1];
		used = 2;
	}
	if (global) {
		global_take(v, o->name, value);
	} else {
		v->given[v->given_count].option = o;
		v->given[v->given_count++].value = value;
	}
	return used;
}

static void positional_bounds(const char *arguments, int *least, int *most) {
	*least = *most = 0;
	for (const char *p = arguments; *p != '\0';) {
		size_t n = strcspn(p, " ");
		*most += n > 0;
		*least += n > 0 && p[0] != '[';
		p += n + strspn(p + n, " ");
	}
}

// --- options to query and body

static bool when_read(const char *text, long long *seconds) {
	char *end;
	long long n = strtoll(text, &end, 10);
	const char *units = "smhd";
	static const long long in_s[] = {1, 60, 3600, 86400};
	const char *unit = *end != '\0' ? strchr(units, *end) : NULL;

	if (end == text || unit == NULL || end[1] != '\0' || n < 0)
		return false;
	*seconds = n * in_s[unit - units];
	return true;
}

static const char *key_of(const struct cli_option *o, char *room, size_t size) {
	if (o->key != NULL)
		return o->key;
	snprintf(room, size, "%s", o->name);
	for (char *p = room; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	return room;
}

static json_t *member(json_t *body, const char *key, json_t *fresh) {
	json_t *have = json_object_get(body, key);

	if (have != NULL) {
		json_decref(fresh);
		return have;
	}
	json_object_set_new(body, key, fresh);
	return fresh;
}

static bool body_add(json_t *body, const struct cli_option *o, const char *key, const char *value) {
	long long seconds;
	char *end, name[64];

	if (o->kind == OPT_FLAG) // the only kind without a value
		return json_object_set_new(body, key, json_true()) == 0;
	const char *split = strpbrk(value, o->kind == OPT_CLAIM ? ":" : "=");
	switch (o->kind) {
	case OPT_TEXT:
		return json_object_set_new(body, key, json_string(value)) == 0;
	case OPT_NUMBER: {
		long long n = strtoll(value, &end, 10);
		return end != value && *end == '\0'
			&& json_object_set_new(body, key, json_integer(n)) == 0;
	}
	case OPT_FILE: {
		char *text = file_text(value);
		bool ok = text != NULL && json_object_set_new(body, key, json_string(text)) == 0;
		free(text);
		return ok;
	}
	case OPT_WHEN:
		return when_read(value, &seconds)
			&& json_object_set_new(body, key, json_integer(time(NULL) + seconds)) == 0;
	case OPT_PAIRS:
	case OPT_CLAIM:
		if (split == NULL || (size_t)(split - value) >= sizeof(name))
			return false;
		snprintf(name, sizeof(name), "%.*s", (int)(split - value), value);
		if (o->kind == OPT_PAIRS)
			return json_object_set_new(
				       member(body, key, json_object()),
				       name,
				       json_string(split + 1)
			       ) == 0;
		return json_array_append_new(
			       member(member(body, key, json_object()), name, json_array()),
			       json_string(split + 1)
		       ) == 0;
	default:
		return true;
	}
}

static bool query_add(char *path, const struct cli_option *o, const char *key, const char *value) {
	long long seconds;
	char number[32];

	if (o->kind == OPT_WHEN) {
		if (!when_read(value, &seconds))
			return false;
		snprintf(number, sizeof(number), "%lld", seconds);
		value = number;
	}
	char *escaped = url_escape(o->kind == OPT_FLAG ? "yes" : value);
	size_t n = strlen(path);
	int made = escaped == NULL ? -1
				   : snprintf(
					     path + n,
					     PATH_ROOM - n,
					     "%c%s=%s",
					     strchr(path, '?') != NULL ? '&' : '?',
					     key,
					     escaped
				     );
	free(escaped);
	return made > 0 && (size_t)made < PATH_ROOM - n;
}

static bool path_make(const struct invocation *v, char path[PATH_ROOM], int *used) {
	const char *p = v->command->path;
	size_t n = 0;

	*used = 0;
	while (*p != '\0' && n + 1 < PATH_ROOM) {
		if (strncmp(p, "{}", 2) != 0) {
			path[n++] = *p++;
			continue;
		}
		char *escaped = url_escape(v->positional[(*used)++]);
		int made = escaped == NULL ? -1 : snprintf(path + n, PATH_ROOM - n, "%s", escaped);
		free(escaped);
		if (made < 0 || (size_t)made >= PATH_ROOM - n)
			return false;
		n += (size_t)made;
		p += 2;
	}
	path[n] = '\0';
	return true;
}

// The argument that the path does not take is a member of the body, named as in the table.
static void positional_to_body(const struct invocation *v, int used, json_t *body) {
	char name[32];
	const char *p = v->command->arguments;

	for (int i = 0; i < v->positional_count; i++) {
		size_t n = strcspn(p, " ");
		snprintf(name, sizeof(name), "%.*s", (int)n, p);
		for (char *q = name; *q != '\0'; q++)
			if (*q >= 'A' && *q <= 'Z')
				*q = (char)(*q + 32);
		if (i >= used)
			json_object_set_new(body, name, json_string(v->positional[i]));
		p += n + strspn(p + n, " ");
	}
}

static bool confirmed(const struct invocation *v) {
	char line[16] = "";

	if (!v->command->asks || v->yes || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return true;
	printf("%s %s %s: are you sure? [y/N] ",
	       v->command->noun,
	       v->command->verb,
	       v->positional[0]);
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}

int run_call(struct invocation *v) {
	const struct command *c = v->command;
	bool reads = strcmp(c->method, "GET") == 0 || strcmp(c->method, "DELETE") == 0;
	char path[PATH_ROOM], key[64], fixed[128];
	int used;

	if (!path_make(v, path, &used))
		return wrong("", v->positional[0], " is too long");
	if (!confirmed(v))
		return EXIT_REFUSED;
	snprintf(fixed, sizeof(fixed), "{%s}", c->fixed != NULL ? c->fixed : "");
	json_t *body = json_loads(fixed, 0, NULL);
	positional_to_body(v, used, body);
	for (int i = 0; i < v->given_count; i++) {
		const struct cli_option *o = v->given[i].option;
		const char *name = key_of(o, key, sizeof(key));
		bool ok = o->kind == OPT_LOCAL
			|| (reads ? query_add(path, o, name, v->given[i].value)
				  : body_add(body, o, name, v->given[i].value));
		if (!ok) {
			json_decref(body);
			return wrong("option --", o->name, " has a bad value");
		}
	}
	if (reads) {
		json_decref(body);
		body = NULL;
	}
	return call_and_print(v, c->method, path, body);
}

static int help(const struct invocation *v, const char *noun) {
	if (v->command != NULL)
		help_command(v->command);
	else if (noun != NULL && noun_known(noun))
		help_noun(noun);
	else
		help_all();
	return EXIT_OK;
}

static int parse(struct invocation *v, int argc, char **argv, bool *done) {
	const char *noun = NULL;
	int at = 1, words = 0;

	*done = true;
	// Global options may stand before the noun too.
	while (at < argc && strncmp(argv[at], "--", 2) == 0 && strcmp(argv[at], "--help") != 0) {
		if (strcmp(argv[at], "--version") == 0) {
			puts("sluicectl " SLUICE_VERSION);
			return EXIT_OK;
		}
		int used = option_take(v, &argv[at], argc - at);
		if (used < 0)
			return EXIT_USAGE;
		at += used;
	}
	if (at < argc && argv[at][0] != '-') {
		noun = argv[at];
		v->command = command_find(noun, at + 1 < argc ? argv[at + 1] : NULL, &words);
	}
	for (int i = at; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return help(v, noun);
	if (noun == NULL) {
		help_all();
		return EXIT_USAGE;
	}
	if (!noun_known(noun))
		return wrong("there is no ", noun, "");
	if (v->command == NULL) {
		fprintf(stderr, "sluicectl: %s: which verb?\n", noun);
		help_noun(noun);
		return EXIT_USAGE;
	}
	for (at += words; at < argc;) {
		if (strncmp(argv[at], "--", 2) == 0 && argv[at][2] != '\0') {
			int used = option_take(v, &argv[at], argc - at);
			if (used < 0)
				return EXIT_USAGE;
			at += used;
		} else if (v->positional_count < POSITIONAL_MAX) {
			v->positional[v->positional_count++] = argv[at++];
		} else {
			return wrong("too many arguments: ", argv[at], "");
		}
	}
	*done = false;
	return EXIT_OK;
}

int main(int argc, char **argv) {
	struct invocation v = {.socket = getenv("SLUICE_API")};
	int least, most;
	bool done;

	secret_process();
	if (v.socket == NULL)
		v.socket = "/run/sluice/api.sock";
	v.colour = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	int ret = parse(&v, argc, argv, &done);
	if (done)
		return ret;
	positional_bounds(v.command->arguments, &least, &most);
	if (v.positional_count < least || v.positional_count > most) {
		fprintf(stderr,
			"sluicectl: %s%s%s wants: %s\n",
			v.command->noun,
			v.command->verb != NULL ? " " : "",
			v.command->verb != NULL ? v.command->verb : "",
			most > 0 ? v.command->arguments : "no arguments");
		return EXIT_USAGE;
	}
	return v.command->run != NULL ? v.command->run(&v) : run_call(&v);
}
