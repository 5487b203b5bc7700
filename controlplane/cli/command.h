// SPDX-License-Identifier: Apache-2.0
// The one table of sluicectl's commands: parsing, help, man pages, docs/sluicectl.md and shell
// completion all come from it. One thread.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define EXIT_CODES(X)                                                                              \
	X(EXIT_OK, "done, or all right")                                                           \
	X(EXIT_FAILED, "it failed: the message says what to do")                                   \
	X(EXIT_USAGE, "wrong usage: unknown command, option or argument")                          \
	X(EXIT_UNKNOWN, "there is no such device, version, certificate, option ...")               \
	X(EXIT_REFUSED, "refused: bad value, double, or not allowed in this state")                \
	X(EXIT_DENIED, "your user may not do this")                                                \
	X(EXIT_UNREACHABLE, "sluice-controld does not answer")                                     \
	X(EXIT_DATA_PLANE, "sluiced is away or too slow; what was changed stands")                 \
	X(EXIT_NOT_RIGHT,                                                                          \
	  ("what was checked (status, doctor, topic check, audit verify, profile test) is not "    \
	   "all "                                                                                  \
	   "right"))

enum exit_code {
#define X(id, text) id,
	EXIT_CODES(X)
#undef X
		EXIT_CODE_COUNT
};
const char *exit_code_text(enum exit_code c);

enum option_kind {
	OPT_FLAG, // --force: true in the body, "yes" in the query
	OPT_TEXT,
	OPT_NUMBER,
	OPT_PAIRS, // key=value, may come often: an object
	OPT_CLAIM, // kind:pattern, may come often: an object of lists
	OPT_WHEN, // 1h, 30d: seconds; an absolute second from now in `until_s`
	OPT_FILE, // contents of the file, "-" is standard input
	OPT_LOCAL, // for the command's own code
};

struct cli_option {
	const char *name; // without the dashes
	const char *key; // in query or body, NULL: as name with '_'
	const char *argument; // "N"; NULL for flags
	enum option_kind kind;
	const char *help;
};

struct column {
	const char *key; // "seen.address"
	const char *title;
	char format; // 't' text, 'n' number, 's' Unix seconds, 'N' Unix nanoseconds, 'b' bytes
};

#define OPTIONS_MAX 12
#define COLUMNS_MAX 12
#define EXAMPLES_MAX 4

struct invocation;

struct command {
	const char *noun;
	const char *verb; // NULL: the noun alone
	const char *arguments; // "NAME", "[NAME]", ""
	const char *summary;
	const char *detail; // more for the manual, may be NULL
	const char *method;
	const char *path; // "{}" takes the positional arguments in order
	const char *list; // key of the list that the table shows; NULL: one object
	const char *fixed; // JSON members that the body always has, e.g. "\"state\":\"active\""
	bool asks; // wants a yes on a terminal
	struct cli_option options[OPTIONS_MAX];
	struct column columns[COLUMNS_MAX];
	const char *examples[EXAMPLES_MAX];
	int (*run)(struct invocation *v); // NULL: one call and its answer
};

extern const struct command commands[];
extern const size_t command_count;
extern const struct cli_option global_options[];

#define POSITIONAL_MAX 4
#define GIVEN_MAX 64

struct invocation {
	const struct command *command;
	const char *positional[POSITIONAL_MAX];
	int positional_count;
	struct {
		const struct cli_option *option;
		const char *value;
	} given[GIVEN_MAX];
	int given_count;
	const char *socket;
	bool json;
	bool yes;
	bool colour;
};

const char *given_text(const struct invocation *v, const char *name); // NULL if not given
bool given_flag(const struct invocation *v, const char *name);

// --- client.c: one call of the API

struct answer {
	long status; // 0: unreachable
	char *text;
	json_t *json; // NULL if it is none
};

// `type` of the body, NULL without one. Always fills *out; answer_free() it.
void api_call(
	const struct invocation *v,
	const char *method,
	const char *path,
	const char *type,
	const char *body,
	size_t body_len,
	struct answer *out
);
void answer_free(struct answer *a);
// Prints the error of a failed call and returns its exit code; EXIT_OK if it did not fail.
int answer_check(const struct invocation *v, const struct answer *a);
char *url_escape(const char *text); // for one path segment or query value; free it

// --- output.c

void time_text(json_int_t seconds, char *out, size_t room); // Unix time
void bytes_text(json_int_t n, char *out, size_t room);
void print_json(const json_t *j);
void print_table(const struct invocation *v, const struct column *columns, const json_t *list);
void print_object(const struct invocation *v, const json_t *object);
// Print as the command's table says, or as JSON.
void print_answer(const struct invocation *v, const json_t *j);

// --- live.c: a view drawn anew every few seconds, until interrupted or --count times

// Prints what came between two answers, `seconds` apart.
typedef void
live_screen(struct invocation *v, const json_t *before, const json_t *now, double seconds);
// GET `path`, whose answer has what is to be seen under `key`; --every beats `seconds`. The exit
// code. Once where no terminal is.
int live_view(
	struct invocation *v,
	const char *path,
	const char *key,
	double seconds,
	live_screen *screen
);

// --- manual.c

void help_all(void);
void help_noun(const char *noun);
void help_command(const struct command *c);
int manual_markdown(void); // docs/sluicectl.md on standard output
int manual_man(const char *directory); // man pages into a directory
int completion(const char *shell); // "bash" or "zsh"

// --- actions.c: commands that are more than one call

// Standard input for "-"; NULL with the reason printed.
FILE *input_open(const char *name);
// Call, print what the command's table says; the exit code. Steals `body`, which may be NULL.
int call_and_print(struct invocation *v, const char *method, const char *path, json_t *body);
// The whole file as text; NULL with the reason printed.
char *file_text(const char *name);

int run_call(struct invocation *v);
int run_import(struct invocation *v);
int run_export(struct invocation *v);
int run_status(struct invocation *v);
int run_top(struct invocation *v);
int run_flow_allow(struct invocation *v);
int run_flow_top(struct invocation *v);
int run_watch(struct invocation *v);
int run_doctor(struct invocation *v);
int run_topic_check(struct invocation *v);
int run_audit_verify(struct invocation *v);
int run_config_show(struct invocation *v);
int run_config_file(struct invocation *v);
int run_config_get(struct invocation *v);
int run_rules_test(struct invocation *v);
int run_rules_file(struct invocation *v);
int run_restore(struct invocation *v);
int run_credential(struct invocation *v);
int run_cert_issue(struct invocation *v);
int run_ca_request(struct invocation *v);
int run_ca_crl(struct invocation *v);
int run_crl_import(struct invocation *v);
int run_letter_replay(struct invocation *v);
int run_completion(struct invocation *v);
int run_manual(struct invocation *v);
int run_help(struct invocation *v);
int run_profile(struct invocation *v);
