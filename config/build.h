// SPDX-License-Identifier: Apache-2.0
// A configuration under construction: the struct, its memory, and where in the file every value
// stood, for the sentences of the cross-field checks. Main thread, between load.c and check.c.
#pragma once

#include "config/config.h"
#include "config/report.h"

struct chunk;
struct place;

struct build {
	struct report *report;
	char base_dir[1024]; // of the file: relative references count from there
	struct owned_config *owned;
	struct config *config; // inside `owned`
	struct place *places; // value or element -> line, in order of appearance
	uint32_t place_count;
	uint32_t place_room;
	bool out_of_memory;
};

int build_init(struct build *b, const char *path, struct report *report);
void build_fini(struct build *b); // keeps what build_take() took
struct config *build_take(struct build *b);

// Zeroed memory that lives as long as the configuration; wiped when freed. NULL marks the build
// as out of memory.
void *build_alloc(struct build *b, size_t size);
char *build_text(struct build *b, const char *text);

// Remember that the value or element at `what` was given in that line.
void build_place(struct build *b, const void *what, uint32_t line);

// Was `what` given since there were `since` places? An element and its first field share an
// address.
bool build_given(const struct build *b, const void *what, uint32_t since);

// As report_line() has it; 0 if it was not given in any file.
uint32_t build_line(const struct build *b, const void *what);
// That of `what`, else of the element it belongs to.
uint32_t build_line_in(const struct build *b, const void *what, const void *element);

// Profiles: what needs more than one option is filled in, or its mistakes reported. profile_check.c
void profiles_check(struct build *b);
// One operation of a map; `shown` names it in mistakes. step.c
void step_compile(
	struct build *b,
	const char *shown,
	const struct step_source *source,
	struct profile_step *out,
	struct step_need *need
);
// The rules of all profiles' `match`, NULL if there are none. select_build.c
const struct profile_selector *selector_build(struct build *b);

// The cross-field checks: mistakes go to the report. Also resolves what needs the whole (the
// dead-letter topic's index).
void config_check(struct build *b);
