// SPDX-License-Identifier: Apache-2.0
// `sluiced signatures`: what a set would do, before it is switched on. Neither touches what runs.
#pragma once

struct config;
struct signatures;

// Read, compile, run every test vector. `path` NULL: what the configuration names. Prints one JSON
// object on stdout, mistakes with file and line on stderr. Returns the exit status: 0, or 2 if
// something is wrong with the set.
int signatures_check(const char *config_path, const char *path);

// What the signatures have hit, as one JSON object on stdout.
void signatures_print(const struct signatures *s, unsigned long long frames);
