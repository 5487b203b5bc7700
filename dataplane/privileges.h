// SPDX-License-Identifier: Apache-2.0
// What a packet process may do once it runs: as little as possible. Main thread, once, after ports
// and files are open.
#pragma once

#include <stddef.h>

struct config;

// Make run_dir and state_dir exist and belong to config.user. Before privileges_drop().
int privileges_own_directories(const struct config *c, char *why, size_t why_len);

// Become config.user in all threads, which takes every capability away; no new privileges, no core
// dump of keys. With user "" or when not started as root nothing changes but the latter two.
int privileges_drop(const struct config *c, char *why, size_t why_len);
