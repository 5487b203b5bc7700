// SPDX-License-Identifier: Apache-2.0
// Kafka's topics for the operator: check those of the configuration, make one. An errand does it
// (dataplane/errand.h). Thread: main.
#pragma once

#include "controlplane/api/channel.h"
#include "dataplane/errand.h"

struct config;
struct topics;

// The configuration must outlive it. -ENOMEM.
int topics_create(const struct config *c, struct topics **out);
void topics_destroy(struct topics *t); // accepts NULL

// Whom to ask, with a struct channel_topics. The topics' own.
struct errand *topics_errand(struct topics *t);
