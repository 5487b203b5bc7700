// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/command.h"

#define LIMIT {"limit", NULL, "N", OPT_NUMBER, "At most N rows."}
#define REASON {"reason", NULL, "TEXT", OPT_TEXT, "Why; stands in the record and the audit log."}
#define DEVICE_OPTIONS                                                                             \
	{"profile", NULL, "NAME", OPT_TEXT, "Device profile of the configuration."},               \
		{"records-per-s", NULL, "N", OPT_NUMBER, "Records per second; 0: no limit."},      \
		{"bytes-per-s", NULL, "N", OPT_NUMBER, "Payload bytes per second; 0: no limit."},  \
		{"connections", NULL, "N", OPT_NUMBER, "Connections at once; 0: no limit."},       \
		{"label", "labels", "KEY=VALUE", OPT_PAIRS, "A label; may be given often."},       \
		{"claim",                                                                          \
		 "claims",                                                                         \
		 "KIND:PATTERN",                                                                   \
		 OPT_CLAIM,                                                                        \
		 "What it may claim beyond its own id: id:, topic: or path: and a pattern, %d is " \
		 "the device. May be given often."},                                               \
		{"readmit", NULL, NULL, OPT_FLAG, "The name was removed or revoked before."}

const struct cli_option global_options[] = {
	{"json", NULL, NULL, OPT_LOCAL, "Print what the API said, as JSON."},
	{"socket", NULL, "PATH", OPT_LOCAL, "API socket; also $SLUICE_API (/run/sluice/api.sock)."},
	{"yes", NULL, NULL, OPT_LOCAL, "Do not ask. Nothing asks when not on a terminal."},
	{"help", NULL, NULL, OPT_LOCAL, "Help for the words before it."},
	{0},
};

// clang-format off
const struct command commands[] = {
	{"status", NULL, "", "The one-screen answer to: is it all right?",
		.detail = "Exit status 8 if it is not. The problems listed say what to do.",
		.method = "GET", .path = "/v1/status", .run = run_status,
		.examples = {"sluicectl status", "sluicectl status --json | jq .data_plane"}},
	{"top", NULL, "", "Live view of rates and refusals",
		.method = "GET", .path = "/v1/counters", .run = run_top,
		.options = {{"count", NULL, "N", OPT_LOCAL, "End after N screens."}, {"every", NULL, "S", OPT_LOCAL, "Seconds between screens (1)."}},
		.examples = {"sluicectl top", "sluicectl top --count 1 --json"}},
	{"doctor", NULL, "", "Check the installation, each check with what to do",
		.method = "GET", .path = "/v1/doctor", .list = "checks", .run = run_doctor,
		.columns = {{"check", "CHECK", 't'}, {"ok", "OK", 't'}, {"what_to_do", "WHAT TO DO", 't'}},
		.examples = {"sluicectl doctor"}},
	{"event", "list", "", "The last refusals, connects and clones that sluiced reported",
		.method = "GET", .path = "/v1/events", .list = "events",
		.columns = {{"at_ns", "TIME", 'N'}, {"device", "DEVICE", 't'}, {"event", "EVENT", 't'}, {"reason", "REASON", 't'}, {"address", "ADDRESS", 't'}, {"times", "TIMES", 'n'}},
		.examples = {"sluicectl event list"}},

	{"device", "add", "NAME", "Add a device",
		.method = "POST", .path = "/v1/devices",
		.options = {DEVICE_OPTIONS, {"state", NULL, "STATE", OPT_TEXT, "active (default) or pending."}},
		.examples = {"sluicectl device add pump-17 --profile meter --label site=basel", "sluicectl device add pump-18 --records-per-s 10 --claim 'topic:plant/%d/#'"}},
	{"device", "import", "FILE", "Add devices from a CSV file, '-' is standard input",
		.detail = "The first line names the columns: name, profile, state, records_per_s, bytes_per_s, connections, labels (key=value;key=value). Only name is required. The file is sent in parts; each part is one transaction, so an import that stops half-way can simply be repeated.",
		.method = "POST", .path = "/v1/import", .run = run_import,
		.options = {{"update", NULL, NULL, OPT_LOCAL, "Change devices that are known already."}},
		.examples = {"sluicectl device import fleet.csv", "zcat fleet.csv.gz | sluicectl device import - --update"}},
	{"device", "export", "", "Write all devices as CSV that `device import` reads",
		.method = "GET", .path = "/v1/devices", .run = run_export,
		.examples = {"sluicectl device export > fleet.csv"}},
	{"device", "list", "", "List devices",
		.method = "GET", .path = "/v1/devices", .list = "devices",
		.options = {{"match", NULL, "GLOB", OPT_TEXT, "Names like 'pump-*'."}, {"state", NULL, "STATE", OPT_TEXT, "pending, active, suspended or revoked."}, {"profile", NULL, "NAME", OPT_TEXT, "Of this profile."}, {"label", NULL, "KEY=VALUE", OPT_TEXT, "With this label."}, {"after", NULL, "NAME", OPT_TEXT, "Go on behind this name."}, LIMIT},
		.columns = {{"name", "NAME", 't'}, {"state", "STATE", 't'}, {"profile", "PROFILE", 't'}, {"last_seen_ns", "LAST SEEN", 'N'}, {"address", "ADDRESS", 't'}, {"refusals", "REFUSED", 'n'}},
		.examples = {"sluicectl device list --state suspended", "sluicectl device list --match 'pump-*' --json"}},
	{"device", "show", "NAME", "All about a device, and why it was refused last",
		.method = "GET", .path = "/v1/devices/{}",
		.examples = {"sluicectl device show pump-17"}},
	{"device", "set", "NAME", "Change profile, limits, labels or claims",
		.method = "PATCH", .path = "/v1/devices/{}",
		.options = {DEVICE_OPTIONS},
		.examples = {"sluicectl device set pump-17 --records-per-s 5"}},
	{"device", "suspend", "NAME", "Refuse the device until it is resumed",
		.method = "PATCH", .path = "/v1/devices/{}", .fixed = "\"state\":\"suspended\"", .options = {REASON},
		.examples = {"sluicectl device suspend pump-17 --reason 'sends nonsense'"}},
	{"device", "resume", "NAME", "Let a pending or suspended device send",
		.method = "PATCH", .path = "/v1/devices/{}", .fixed = "\"state\":\"active\"",
		.options = {{"readmit", NULL, NULL, OPT_FLAG, "It was revoked: bring it back."}},
		.examples = {"sluicectl device resume pump-17"}},
	{"device", "revoke", "NAME", "Refuse the device for good",
		.method = "PATCH", .path = "/v1/devices/{}", .fixed = "\"state\":\"revoked\"", .asks = true, .options = {REASON},
		.examples = {"sluicectl device revoke pump-17 --reason stolen --yes"}},
	{"device", "remove", "NAME", "Forget the device; a hash of its name stays as tombstone",
		.method = "DELETE", .path = "/v1/devices/{}", .asks = true, .options = {REASON},
		.examples = {"sluicectl device remove pump-17 --reason 'taken down' --yes"}},
	{"device", "password", "NAME", "Set the MQTT password of a device",
		.detail = "The password is read from the file given or, on a terminal, asked for. It is stored as an argon2id hash.",
		.method = "PUT", .path = "/v1/devices/{}/credentials", .run = run_credential,
		.options = {{"password-file", NULL, "FILE", OPT_LOCAL, "Read it from the first line; '-' is standard input."}},
		.examples = {"sluicectl device password pump-17 --password-file /run/secrets/pump-17"}},
	{"device", "key", "NAME", "Set a key for protected frames",
		.method = "PUT", .path = "/v1/devices/{}/credentials", .run = run_credential,
		.options = {{"kind", NULL, "KIND", OPT_LOCAL, "hmac-sha-256 (default) or aes-128-gcm."}, {"number", NULL, "N", OPT_LOCAL, "Key number, 0 to 255."}, {"key-file", NULL, "FILE", OPT_LOCAL, "The key in hex; '-' is standard input."}},
		.examples = {"openssl rand -hex 32 | sluicectl device key pump-17 --key-file - --number 1"}},
	{"device", "credential-remove", "NAME KIND NUMBER", "Take a password or key away",
		.method = "DELETE", .path = "/v1/devices/{}/credentials/{}/{}",
		.examples = {"sluicectl device credential-remove pump-17 hmac-sha-256 1"}},

	{"flow", "list", "", "Who talks to us: device, address, transport, records, bytes",
		.method = "GET", .path = "/v1/flows", .list = "flows",
		.options = {{"device", NULL, "NAME", OPT_TEXT, "Of this device."}, {"address", NULL, "PREFIX", OPT_TEXT, "From this address or prefix."}, {"cursor", NULL, "N", OPT_NUMBER, "Go on from the last answer's `next`."}, LIMIT},
		.columns = {{"device", "DEVICE", 't'}, {"address", "ADDRESS", 't'}, {"port", "PORT", 'n'}, {"transport", "TRANSPORT", 't'}, {"idle_ms", "IDLE MS", 'n'}, {"records", "RECORDS", 'n'}, {"bytes", "BYTES", 'b'}, {"drops", "REFUSED", 'n'}},
		.examples = {"sluicectl flow list --address 10.1.0.0/16"}},
	{"flow", "show", "DEVICE", "The flows of one device",
		.method = "GET", .path = "/v1/flows?device={}", .list = "flows",
		.columns = {{"device", "DEVICE", 't'}, {"address", "ADDRESS", 't'}, {"port", "PORT", 'n'}, {"transport", "TRANSPORT", 't'}, {"worker", "WORKER", 'n'}, {"idle_ms", "IDLE MS", 'n'}, {"records", "RECORDS", 'n'}, {"bytes", "BYTES", 'b'}, {"drops", "REFUSED", 'n'}},
		.examples = {"sluicectl flow show pump-17"}},
	{"flow", "watch", "", "Print refusals, connects and clones as they happen",
		.method = "GET", .path = "/v1/events", .run = run_watch,
		.options = {{"for", NULL, "S", OPT_LOCAL, "End after S seconds."}},
		.examples = {"sluicectl flow watch"}},
	{"flow", "drop", "", "End the flows of a device or address; they may come back",
		.method = "POST", .path = "/v1/flows/drop",
		.options = {{"device", NULL, "NAME", OPT_TEXT, "The device."}, {"address", NULL, "PREFIX", OPT_TEXT, "Or an address or prefix."}, {"realm", NULL, "N", OPT_NUMBER, "Realm of the address (0)."}, REASON},
		.examples = {"sluicectl flow drop --device pump-17"}},
	{"flow", "block", "", "Refuse a device or address until it ends",
		.method = "POST", .path = "/v1/blocks",
		.options = {{"device", NULL, "NAME", OPT_TEXT, "The device."}, {"address", NULL, "PREFIX", OPT_TEXT, "Or an address or prefix."}, {"realm", NULL, "N", OPT_NUMBER, "Realm of the address (0)."}, REASON, {"for", "until_s", "TIME", OPT_WHEN, "How long: 10m, 2h, 7d. Without it: for ever."}, {"force", NULL, NULL, OPT_FLAG, "Although it hits many devices in good standing."}},
		.examples = {"sluicectl flow block --address 10.9.0.0/16 --reason flood --for 2h"}},
	{"flow", "limit", "", "Limit the records per second of a device or address",
		.method = "POST", .path = "/v1/blocks",
		.options = {{"device", NULL, "NAME", OPT_TEXT, "The device."}, {"address", NULL, "PREFIX", OPT_TEXT, "Or an address or prefix."}, {"realm", NULL, "N", OPT_NUMBER, "Realm of the address (0)."}, {"records-per-s", NULL, "N", OPT_NUMBER, "The limit."}, REASON, {"for", "until_s", "TIME", OPT_WHEN, "How long: 10m, 2h, 7d."}},
		.examples = {"sluicectl flow limit --device pump-17 --records-per-s 1 --reason noisy"}},
	{"flow", "blocks", "", "List blocks and limits",
		.method = "GET", .path = "/v1/blocks", .list = "blocks",
		.columns = {{"id", "ID", 'n'}, {"device", "DEVICE", 't'}, {"address", "ADDRESS", 't'}, {"records_per_s", "RECORDS/S", 'n'}, {"until_s", "UNTIL", 's'}, {"reason", "REASON", 't'}, {"who", "WHO", 't'}},
		.examples = {"sluicectl flow blocks"}},
	{"flow", "allow", "ID", "Take a block or limit away",
		.method = "DELETE", .path = "/v1/blocks/{}",
		.examples = {"sluicectl flow allow 3"}},

	{"config", "show", "[VERSION]", "The configuration in force, or an earlier version",
		.method = "GET", .path = "/v1/config", .run = run_config_show,
		.examples = {"sluicectl config show", "sluicectl config show 3 > old.yaml"}},
	{"config", "check", "FILE", "Check a file whole, without applying it",
		.method = "POST", .path = "/v1/config/check", .run = run_config_file, .examples = {"sluicectl config check new.yaml"}},
	{"config", "diff", "FILE", "What a file would change, and what of it needs a restart",
		.method = "POST", .path = "/v1/config/check", .run = run_config_file, .list = "changes",
		.columns = {{"option", "OPTION", 't'}, {"was", "WAS", 't'}, {"is", "IS", 't'}, {"restart", "RESTART", 't'}},
		.examples = {"sluicectl config diff new.yaml"}},
	{"config", "apply", "FILE", "Check a file and put it in force; a bad one changes nothing",
		.method = "POST", .path = "/v1/config", .run = run_config_file, .list = "changes",
		.columns = {{"option", "OPTION", 't'}, {"was", "WAS", 't'}, {"is", "IS", 't'}, {"restart", "RESTART", 't'}},
		.options = {{"comment", NULL, "TEXT", OPT_LOCAL, "Why; stands in the history."}},
		.examples = {"sluicectl config apply new.yaml --comment 'second listener'"}},
	{"config", "history", "", "List the versions: who, when, why",
		.method = "GET", .path = "/v1/config/history", .list = "versions", .options = {LIMIT},
		.columns = {{"version", "VERSION", 'n'}, {"at_s", "TIME", 's'}, {"who", "WHO", 't'}, {"comment", "COMMENT", 't'}},
		.examples = {"sluicectl config history"}},
	{"config", "rollback", "", "Put an earlier version in force (the one before, if none is named)",
		.method = "POST", .path = "/v1/config/rollback", .list = "changes",
		.options = {{"version", NULL, "N", OPT_NUMBER, "Which; see `config history`."}, {"comment", NULL, "TEXT", OPT_TEXT, "Why."}},
		.columns = {{"option", "OPTION", 't'}, {"was", "WAS", 't'}, {"is", "IS", 't'}, {"restart", "RESTART", 't'}},
		.examples = {"sluicectl config rollback", "sluicectl config rollback --version 3"}},
	{"config", "get", "[OPTION]", "The value of one option, or all with type and help",
		.method = "GET", .path = "/v1/config/options", .list = "options", .run = run_config_get,
		.columns = {{"option", "OPTION", 't'}, {"value", "VALUE", 't'}, {"given", "GIVEN", 't'}, {"restart", "RESTART", 't'}},
		.examples = {"sluicectl config get egress.linger", "sluicectl config get 'listeners[0].port'"}},
	{"config", "set", "OPTION VALUE", "Change one option in the file and apply it; comments stay",
		.method = "PATCH", .path = "/v1/config/options", .list = "changes",
		.options = {{"comment", NULL, "TEXT", OPT_TEXT, "Why."}},
		.columns = {{"option", "OPTION", 't'}, {"was", "WAS", 't'}, {"is", "IS", 't'}, {"restart", "RESTART", 't'}},
		.examples = {"sluicectl config set egress.linger 5ms --comment 'larger batches'"}},

	{"audit", "list", "", "Every change: who, what, when, before and after",
		.method = "GET", .path = "/v1/audit", .list = "entries",
		.options = {{"before", NULL, "ID", OPT_NUMBER, "Entries older than this one."}, LIMIT},
		.columns = {{"id", "ID", 'n'}, {"at_ns", "TIME", 'N'}, {"who", "WHO", 't'}, {"action", "ACTION", 't'}, {"object", "OBJECT", 't'}},
		.examples = {"sluicectl audit list --limit 10", "sluicectl audit list --json | jq '.entries[0].after'"}},
	{"audit", "verify", "", "Check that nobody changed the log",
		.method = "GET", .path = "/v1/audit/verify", .run = run_audit_verify,
		.examples = {"sluicectl audit verify"}},

	{"backup", "create", "DIRECTORY", "Write registry, configuration and sealed CA keys to a directory",
		.method = "POST", .path = "/v1/backup",
		.examples = {"sluicectl backup create /var/backups/sluice"}},
	{"backup", "restore", "DIRECTORY", "Put a backup in place; sluice-controld must be stopped",
		.detail = "Checks the registry of the backup whole before it replaces anything. Run as root or as the user of sluice-controld.",
		.run = run_restore,
		.options = {{"state-dir", NULL, "DIR", OPT_LOCAL, "Of sluice-controld (/var/lib/sluice/control)."}, {"config", NULL, "FILE", OPT_LOCAL, "Where the configuration goes (/etc/sluice/sluice.yaml)."}},
		.examples = {"sluicectl backup restore /var/backups/sluice"}},

	{"completion", "bash", "", "Print a completion script for bash", .run = run_completion, .examples = {"sluicectl completion bash > /etc/bash_completion.d/sluicectl"}},
	{"completion", "zsh", "", "Print a completion script for zsh", .run = run_completion, .examples = {"sluicectl completion zsh > /usr/share/zsh/site-functions/_sluicectl"}},
	{"manual", "markdown", "", "Print the reference manual (docs/sluicectl.md)", .run = run_manual, .examples = {"sluicectl manual markdown"}},
	{"manual", "man", "DIRECTORY", "Write man pages", .run = run_manual, .examples = {"sluicectl manual man /usr/share/man/man1"}},
};
// clang-format on
const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const char *exit_code_text(enum exit_code c) {
	static const char *const texts[EXIT_CODE_COUNT] = {
#define X(id, text) [id] = text,
		EXIT_CODES(X)
#undef X
	};
	return texts[c];
}
