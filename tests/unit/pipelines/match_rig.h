// SPDX-License-Identifier: Apache-2.0
// One message through the match stage, under a set of signatures.
#pragma once

#include "pipelines/burst.h"
#include "pipelines/match.h"
#include "pipelines/match_compile.h"

#define RIG_ERRORS 16

// One signature of a set, in YAML.
#define SIG(id, name, expression, action)                                                          \
	"  - {id: " id ", name: " name ", expression: '" expression                                \
	"', severity: high, action: " action ", match: x}\n"

extern struct burst rig_burst; // large: one for all
extern struct profile rig_profile;
extern const char rig_actions[]; // TTT is tagged, QQQ held, RRR refused, DDD cut off, BBB banned

uint32_t rig_random(uint32_t n); // below n
// Every finding as the shipped profiles treat it.
void rig_reset(void);
void rig_text_add(char *text, size_t size, const char *more);

// `cache`: a file, or NULL. The caller frees it with match_set_free().
struct match_set *rig_compiled(const char *yaml, const char *cache);

// The only message of the burst: not matched yet.
struct item *rig_item(const char *path, const void *payload, uint32_t len);
// Matched; what it orders is in rig_last_order.
struct item *rig_sent(struct match_set *m, const char *path, const char *payload);
uint64_t rig_hits(const struct match_set *m); // of all signatures

extern struct match_order rig_last_order;
extern uint32_t rig_orders; // since the last rig_sent()
extern const struct match_enforcer rig_enforcer;
