// SPDX-License-Identifier: Apache-2.0
// Is it all right? What status, doctor and /metrics look at. Main thread.
#pragma once

#include "controlplane/control.h"

#define EXPIRY_WARNING_S (30 * 86400)
#define DISK_LOW_BYTES (256ull << 20)

uint64_t disk_free(const char *dir);
// A counter of the data plane by its whole name; false if it has none of that name.
bool data_plane_counter(struct control *c, const char *name, uint64_t *value);
// Certificates of devices that end within so many seconds and have no successor.
int64_t certificates_ending(struct control *c, int64_t within_s);
// Issuers (own and trusted) that end within so many seconds: their names with commas; how many.
int issuers_ending(struct control *c, int64_t within_s, char *names, size_t room);
// The same of revocation lists whose next update is past.
int lists_overdue(struct control *c, char *names, size_t room);
// [{"problem","what_to_do"}]
json_t *health_problems(struct control *c);
// Once a second or so: keep the rate of records.
void health_tick(struct control *c, int64_t now_ms);
