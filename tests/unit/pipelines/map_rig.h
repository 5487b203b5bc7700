// SPDX-License-Identifier: Apache-2.0
// One message through decode and map, under a program of the map language.
#pragma once

#include "config/config.h"
#include "pipelines/burst.h"
#include "pipelines/decode.h"
#include "pipelines/map.h"

extern struct burst rig_burst; // large: one for all
extern struct payload_decoder *rig_decoder;

// Fixtures of a group.
int rig_setup(void **state);
int rig_teardown(void **state);

// A configuration whose only profile has this program; the caller frees it.
struct config *rig_program(const char *map);
struct message rig_message(const struct config *c, enum payload_format format, const char *payload);
// The record that becomes of a payload; it is good until the next one.
const struct record *
rig_run(const struct config *c, enum payload_format format, const char *payload);

void rig_value_print(char *out, size_t size, const struct value *v);
// "name=value:unit", joined with blanks.
void rig_record_print(char *out, size_t size, const struct record *rec);
