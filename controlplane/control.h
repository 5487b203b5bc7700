// SPDX-License-Identifier: Apache-2.0
// Everything sluice-controld has, and the table of what its API can do. Main thread.
#pragma once

#include "controlplane/link.h"
#include "controlplane/registry.h"
#include "controlplane/request.h"

struct control {
	struct registry *registry;
	struct link *link;
	struct later *later; // replies that wait (controlplane/later.h)
	char config_path[256];
	char state_dir[256];
	char run_dir[256];
	char sign_socket[256];
	char database[300];
	char restored_from[300]; // the backup it started from because the registry was corrupt
	int64_t started_s;
	uint32_t force_above; // devices in good standing a block may hit without --force
	uint64_t requests;
	uint64_t refused; // answers of 400 and above
	uint64_t denied; // 403
	// Records per second, from the data plane's counters.
	struct {
		int64_t at_ms;
		uint64_t records;
		uint64_t per_s;
	} rate;
};

struct route {
	const char *method;
	const char *path; // "{}" stands for one segment
	enum role role;
	bool takes_json; // the body is JSON
	const char *summary;
	void (*handle)(struct control *c, struct request *q, struct reply *r);
};

extern const struct route routes[];
extern const size_t route_count;

// Find the route, check the role, parse the body, call it. Always fills the reply.
void control_handle(struct control *c, struct request *q, struct reply *r);

void device_list(struct control *c, struct request *q, struct reply *r);
void device_add(struct control *c, struct request *q, struct reply *r);
void device_show(struct control *c, struct request *q, struct reply *r);
void device_change(struct control *c, struct request *q, struct reply *r);
void device_remove(struct control *c, struct request *q, struct reply *r);
void device_import(struct control *c, struct request *q, struct reply *r);
void credential_set(struct control *c, struct request *q, struct reply *r);
void credential_remove(struct control *c, struct request *q, struct reply *r);

void config_show(struct control *c, struct request *q, struct reply *r);
void config_check_text(struct control *c, struct request *q, struct reply *r);
void config_apply(struct control *c, struct request *q, struct reply *r);
void config_history(struct control *c, struct request *q, struct reply *r);
void config_version(struct control *c, struct request *q, struct reply *r);
void config_rollback(struct control *c, struct request *q, struct reply *r);
void config_get(struct control *c, struct request *q, struct reply *r);
void config_set(struct control *c, struct request *q, struct reply *r);
// First version from the file, if there is none yet.
void config_adopt(struct control *c);

void device_why(struct control *c, struct request *q, struct reply *r);
void letter_list(struct control *c, struct request *q, struct reply *r);
void letter_show(struct control *c, struct request *q, struct reply *r);
void letter_replay(struct control *c, struct request *q, struct reply *r);
void rules_list(struct control *c, struct request *q, struct reply *r);
void rules_stats(struct control *c, struct request *q, struct reply *r);
void rules_check(struct control *c, struct request *q, struct reply *r);
void rules_apply(struct control *c, struct request *q, struct reply *r);
void rules_rollback(struct control *c, struct request *q, struct reply *r);
void rules_versions(struct control *c, struct request *q, struct reply *r);
// First version from the files, if there is none yet or somebody changed them by hand.
void rules_adopt(struct control *c);
void topic_check(struct control *c, struct request *q, struct reply *r);
void topic_create(struct control *c, struct request *q, struct reply *r);

void status_show(struct control *c, struct request *q, struct reply *r);
void counters_show(struct control *c, struct request *q, struct reply *r);
void events_show(struct control *c, struct request *q, struct reply *r);
void doctor_show(struct control *c, struct request *q, struct reply *r);
void audit_list(struct control *c, struct request *q, struct reply *r);
void audit_verify(struct control *c, struct request *q, struct reply *r);
void backup_make(struct control *c, struct request *q, struct reply *r);

void flow_list(struct control *c, struct request *q, struct reply *r);
void flow_drop(struct control *c, struct request *q, struct reply *r);
void block_list(struct control *c, struct request *q, struct reply *r);
void block_add(struct control *c, struct request *q, struct reply *r);
void block_allow(struct control *c, struct request *q, struct reply *r);
void block_remove(struct control *c, struct request *q, struct reply *r);

void ca_init(struct control *c, struct request *q, struct reply *r);
void ca_show(struct control *c, struct request *q, struct reply *r);
void ca_request_make(struct control *c, struct request *q, struct reply *r);
void ca_import(struct control *c, struct request *q, struct reply *r);
void ca_crl(struct control *c, struct request *q, struct reply *r);
void cert_add(struct control *c, struct request *q, struct reply *r);
void crl_import(struct control *c, struct request *q, struct reply *r);
void template_remove(struct control *c, struct request *q, struct reply *r);
void provision(struct control *c, struct request *q, struct reply *r);
void cert_list(struct control *c, struct request *q, struct reply *r);
void cert_issue(struct control *c, struct request *q, struct reply *r);
void cert_show(struct control *c, struct request *q, struct reply *r);
void cert_revoke(struct control *c, struct request *q, struct reply *r);
void trust_list(struct control *c, struct request *q, struct reply *r);
void trust_add(struct control *c, struct request *q, struct reply *r);
void trust_remove(struct control *c, struct request *q, struct reply *r);
void template_list(struct control *c, struct request *q, struct reply *r);
void template_set(struct control *c, struct request *q, struct reply *r);

// The text of /metrics; the caller frees it. NULL: out of memory.
char *metrics_text(struct control *c);
