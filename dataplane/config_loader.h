// SPDX-License-Identifier: Apache-2.0
// The configuration of a running sluiced: the generation in force, and the loader
// (dataplane/loading.h) that brings another one to the workers without a restart.
//
// A generation is taken whole or not at all. If only options that may change while running differ,
// it is published. If one of the others differs, the file is refused, or, announced with
// GENERATION_LATER, left alone: everything stays as it is and the next start reads it.
// Main thread.
#pragma once

#include "dataplane/generation.h"
#include "dataplane/loading.h"
#include "dataplane/settings.h"

struct egress;
struct config_loader;

// `first` becomes its own. Readers 0..env->workers-1 are the workers. 0 or -ENOMEM.
int config_loader_create(
	const struct settings_env *env,
	struct settings *first,
	struct egress *egress,
	struct config_loader **out
);
// After the workers have ended. Accepts NULL.
void config_loader_destroy(struct config_loader *l);

struct generation_seat *config_loader_seat(struct config_loader *l, uint16_t worker);
const struct generation_loader *config_loader_ops(const struct config_loader *l);

// What is in force, or on its way.
const struct settings *config_loader_current(const struct config_loader *l);
