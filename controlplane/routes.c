// SPDX-License-Identifier: Apache-2.0
#include "controlplane/control.h"

#include <stdio.h>
#include <string.h>

#define VIEW ROLE_VIEWER
#define OPER ROLE_OPERATOR

// clang-format off
const struct route routes[] = {
	{"GET", "/v1/status", VIEW, false, "Is it all right?", status_show},
	{"GET", "/v1/counters", VIEW, false, "The data plane's counters", counters_show},
	{"GET", "/v1/events", VIEW, false, "The last connects, refusals and clones", events_show},
	{"GET", "/v1/doctor", VIEW, false, "Checks, each with what to do", doctor_show},
	{"GET", "/v1/devices", VIEW, false, "List devices", device_list},
	{"POST", "/v1/devices", OPER, true, "Add a device", device_add},
	{"GET", "/v1/devices/{}", VIEW, false, "Show a device", device_show},
	{"GET", "/v1/devices/{}/why", VIEW, false, "The last decisions about a device", device_why},
	{"PATCH", "/v1/devices/{}", OPER, true, "Change a device", device_change},
	{"DELETE", "/v1/devices/{}", OPER, false, "Forget a device but for a tombstone", device_remove},
	{"PUT", "/v1/devices/{}/credentials", OPER, true, "Set a password or key", credential_set},
	{"DELETE", "/v1/devices/{}/credentials/{}/{}", OPER, false, "Take a credential away", credential_remove},
	{"POST", "/v1/import", OPER, false, "Add devices from CSV", device_import},
	{"GET", "/v1/audit", VIEW, false, "List changes, newest first", audit_list},
	{"GET", "/v1/audit/verify", VIEW, false, "Check the hash chain", audit_verify},
	{"GET", "/v1/config", VIEW, false, "The configuration in force", config_show},
	{"POST", "/v1/config", OPER, true, "Check and apply a configuration", config_apply},
	{"POST", "/v1/config/check", VIEW, true, "Check a configuration and show what it changes", config_check_text},
	{"GET", "/v1/config/history", VIEW, false, "Versions, newest first", config_history},
	{"GET", "/v1/config/versions/{}", VIEW, false, "The text of a version", config_version},
	{"POST", "/v1/config/rollback", OPER, true, "Apply an earlier version", config_rollback},
	{"GET", "/v1/config/options", VIEW, false, "One option or all", config_get},
	{"PATCH", "/v1/config/options", OPER, true, "Set one option", config_set},
	{"GET", "/v1/rules", VIEW, false, "The signatures of the files in force", rules_list},
	{"POST", "/v1/rules", OPER, true, "Check and apply a set of signatures", rules_apply},
	{"POST", "/v1/rules/check", OPER, true, "Have a set compiled and its vectors run", rules_check},
	{"GET", "/v1/rules/history", VIEW, false, "Versions of the signatures, newest first", rules_versions},
	{"POST", "/v1/rules/rollback", OPER, true, "Apply an earlier version of the signatures", rules_rollback},
	{"GET", "/v1/rules/stats", VIEW, false, "What the signatures have hit", rules_stats},
	{"POST", "/v1/backup", OPER, true, "Write a backup directory", backup_make},
	{"GET", "/v1/flows", VIEW, false, "List flows", flow_list},
	{"POST", "/v1/flows/drop", OPER, true, "End the flows of a device or address", flow_drop},
	{"GET", "/v1/blocks", VIEW, false, "List blocks and limits", block_list},
	{"POST", "/v1/blocks", OPER, true, "Block or limit a device or address", block_add},
	{"POST", "/v1/blocks/allow", OPER, true, "Take the block of a device or address away", block_allow},
	{"DELETE", "/v1/blocks/{}", OPER, false, "Take a block away", block_remove},
	{"GET", "/v1/dead-letters", VIEW, false, "List dead letters", letter_list},
	{"GET", "/v1/dead-letters/{}/{}", VIEW, false, "Show a dead letter with its original bytes", letter_show},
	{"POST", "/v1/dead-letters/replay", OPER, true, "Send dead letters through the pipeline again", letter_replay},
	{"GET", "/v1/topics", VIEW, false, "Check the topics in Kafka, each with what to do", topic_check},
	{"POST", "/v1/topics", OPER, true, "Create a topic in Kafka", topic_create},
	{"GET", "/v1/ca", VIEW, false, "The CA certificates", ca_show},
	{"POST", "/v1/ca", OPER, true, "Make a CA", ca_init},
	{"POST", "/v1/ca/request", OPER, true, "A request for the next issuing certificate, for a CA elsewhere", ca_request_make},
	{"POST", "/v1/ca/import", OPER, true, "Take an issuing CA, or a root with its key, from elsewhere", ca_import},
	{"POST", "/v1/ca/crl", OPER, true, "Sign the own revocation list", ca_crl},
	{"GET", "/v1/certificates", VIEW, false, "List certificates", cert_list},
	{"POST", "/v1/certificates", OPER, true, "Issue a certificate from a CSR or with a new key", cert_issue},
	{"GET", "/v1/certificates/{}", VIEW, false, "A certificate", cert_show},
	{"POST", "/v1/devices/{}/certificates", OPER, true, "Add an outside CA's certificate of a device", cert_add},
	{"POST", "/v1/certificates/{}/revoke", OPER, true, "Revoke a certificate", cert_revoke},
	{"GET", "/v1/trust", VIEW, false, "List trusted issuers", trust_list},
	{"POST", "/v1/trust", OPER, true, "Trust an issuer", trust_add},
	{"DELETE", "/v1/trust/{}", OPER, false, "Trust an issuer no more", trust_remove},
	{"GET", "/v1/templates", VIEW, false, "List provisioning templates", template_list},
	{"POST", "/v1/crls", OPER, false, "Import a trusted issuer's revocation list", crl_import},
	{"PUT", "/v1/templates", OPER, true, "Set a provisioning template", template_set},
	{"DELETE", "/v1/templates/{}/{}", OPER, false, "Remove a provisioning template", template_remove},
	{"POST", "/v1/provision", OPER, true, "Which device is it that brings this certificate, and may it send?", provision},
};
// clang-format on
const size_t route_count = sizeof(routes) / sizeof(routes[0]);

// Does `path` have the route's shape? Captures point into q->segments.
static bool route_match(const char *pattern, struct request *q) {
	char *at = q->segments;
	unsigned captured = 0;

	snprintf(q->segments, sizeof(q->segments), "%s", q->path);
	while (*pattern != '\0' && *at != '\0') {
		if (strncmp(pattern, "{}", 2) == 0) {
			size_t n = strcspn(at, "/");
			if (n == 0 || captured == REQUEST_SEGMENTS)
				return false;
			q->capture[captured++] = at;
			pattern += 2;
			at += n;
			// The capture ends where the next segment begins.
			if (*at == '/' && *pattern == '/') {
				*at++ = '\0';
				pattern++;
			}
			continue;
		}
		if (*pattern != *at)
			return false;
		pattern++;
		at++;
	}
	return *pattern == '\0' && *at == '\0';
}

static bool json_parse(struct request *q, struct reply *r) {
	json_error_t e;

	q->json = json_loadb(
		q->body_len > 0 ? q->body : "{}",
		q->body_len > 0 ? q->body_len : 2,
		JSON_REJECT_DUPLICATES,
		&e
	);
	if (q->json == NULL)
		reply_error(
			r, 400, "bad-json", NULL, "line %d: the body is no JSON: %s", e.line, e.text
		);
	return q->json != NULL;
}

static const struct route *route_find(struct request *q, bool *path_known) {
	for (size_t i = 0; i < route_count; i++) {
		if (!route_match(routes[i].path, q))
			continue;
		*path_known = true;
		if (strcmp(routes[i].method, q->method) == 0)
			return &routes[i];
	}
	return NULL;
}

void control_handle(struct control *c, struct request *q, struct reply *r) {
	bool path_known = false;

	c->requests++;
	*r = (struct reply) {0};
	if (strlen(q->path) >= sizeof(q->segments)) {
		reply_error(r, 414, "path-too-long", NULL, "the path is too long");
		return;
	}
	const struct route *route = route_find(q, &path_known);
	if (route == NULL && path_known) {
		reply_error(r, 405, "method", NULL, "%s is not possible here", q->method);
	} else if (route == NULL) {
		reply_error(
			r,
			404,
			"no-such-path",
			"controlplane/openapi.yaml lists all",
			"no such path"
		);
	} else if (q->role < route->role) {
		c->denied++;
		reply_error(
			r,
			403,
			"denied",
			route->role == ROLE_OPERATOR
				? "become root or a member of group sluice-operator"
				: "become root or a member of group sluice-viewer or "
				  "sluice-operator",
			"%s may not do this",
			q->author.name
		);
	} else if (!route->takes_json || json_parse(q, r)) {
		route->handle(c, q, r);
	}
	json_decref(q->json);
	q->json = NULL;
	c->refused += r->status >= 400;
}
