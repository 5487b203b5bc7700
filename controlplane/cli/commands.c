// SPDX-License-Identifier: Apache-2.0
#include "controlplane/cli/command.h"

#define LIMIT {"limit", NULL, "N", OPT_NUMBER, "At most N rows."}
#define RESTART_LATER                                                                              \
	{"restart-later",                                                                          \
	 "restart_later",                                                                          \
	 NULL,                                                                                     \
	 OPT_FLAG,                                                                                 \
	 "If an option needs a restart of sluiced, leave the whole version for its next start."}
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

#define TEMPLATE_COLUMNS                                                                           \
	.columns = {                                                                               \
		{"issuer", "ISSUER", 't'},                                                         \
		{"pattern", "PATTERN", 't'},                                                       \
		{"name", "NAMED", 't'},                                                            \
		{"profile", "PROFILE", 't'},                                                       \
		{"state", "STATE", 't'},                                                           \
	}

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
		.columns = {{"check", "CHECK", 't'}, {"ok", "OK", 't'}, {"found", "FOUND", 't'}, {"what_to_do", "WHAT TO DO", 't'}},
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
		.detail = "The first line names the columns: name, profile, state, records_per_s, bytes_per_s, connections, labels (key=value;key=value, or JSON), claims (JSON). Only name is required. A bad row is left out and told with its line and reason; the others are added, and the exit status is 4. The file is sent in parts of 10,000 rows; each part is one transaction, so an import that stops half-way can simply be repeated.",
		.method = "POST", .path = "/v1/import", .run = run_import,
		.options = {{"update", NULL, NULL, OPT_LOCAL, "Change devices that are known already."}, {"refused", NULL, "FILE", OPT_LOCAL, "Write the rows that were left out as CSV: line, name, reason."}},
		.examples = {"sluicectl device import fleet.csv", "zcat fleet.csv.gz | sluicectl device import - --update"}},
	{"device", "export", "", "Write all devices as CSV that `device import` reads",
		.detail = "Passwords and keys are not in it: `backup create` has them.",
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

	{"device", "provision", "", "Ask for the device of a certificate, as a TLS handshake does; make it if a template says so",
		.detail = "Exit status 0 also if it is refused: `reason` says why.",
		.method = "POST", .path = "/v1/provision",
		.options = {{"certificate", NULL, "FILE", OPT_FILE, "The certificate in PEM, intermediate ones behind it."}},
		.examples = {"sluicectl device provision --certificate pump-19.pem"}},

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

	{"config", "show", "[VERSION]", "The configuration file, or an earlier version",
		.method = "GET", .path = "/v1/config", .run = run_config_show,
		.examples = {"sluicectl config show", "sluicectl config show 3 > old.yaml"}},
	{"config", "check", "FILE", "Check a file whole, without applying it",
		.method = "POST", .path = "/v1/config/check", .run = run_config_file, .examples = {"sluicectl config check new.yaml"}},
	{"config", "diff", "FILE", "What a file would change, and what of it needs a restart",
		.method = "POST", .path = "/v1/config/check", .run = run_config_file, .list = "changes",
		.columns = {{"option", "OPTION", 't'}, {"was", "WAS", 't'}, {"is", "IS", 't'}, {"restart", "RESTART", 't'}},
		.examples = {"sluicectl config diff new.yaml"}},
	{"config", "apply", "FILE", "Check a file and put it in force while sluiced runs; a bad one changes nothing",
		.method = "POST", .path = "/v1/config", .run = run_config_file, .list = "changes",
		.columns = {{"option", "OPTION", 't'}, {"was", "WAS", 't'}, {"is", "IS", 't'}, {"restart", "RESTART", 't'}},
		.options = {{"comment", NULL, "TEXT", OPT_LOCAL, "Why; stands in the history."}, RESTART_LATER},
		.examples = {"sluicectl config apply new.yaml --comment 'second listener'"}},
	{"config", "history", "", "List the versions: who, when, why",
		.method = "GET", .path = "/v1/config/history", .list = "versions", .options = {LIMIT},
		.columns = {{"version", "VERSION", 'n'}, {"at_s", "TIME", 's'}, {"who", "WHO", 't'}, {"comment", "COMMENT", 't'}},
		.examples = {"sluicectl config history"}},
	{"config", "rollback", "", "Put an earlier version in force (the one before, if none is named)",
		.method = "POST", .path = "/v1/config/rollback", .list = "changes",
		.options = {{"version", NULL, "N", OPT_NUMBER, "Which; see `config history`."}, {"comment", NULL, "TEXT", OPT_TEXT, "Why."}, RESTART_LATER},
		.columns = {{"option", "OPTION", 't'}, {"was", "WAS", 't'}, {"is", "IS", 't'}, {"restart", "RESTART", 't'}},
		.examples = {"sluicectl config rollback", "sluicectl config rollback --version 3"}},
	{"config", "get", "[OPTION]", "The value of one option, or all with type and help",
		.method = "GET", .path = "/v1/config/options", .list = "options", .run = run_config_get,
		.columns = {{"option", "OPTION", 't'}, {"value", "VALUE", 't'}, {"given", "GIVEN", 't'}, {"restart", "RESTART", 't'}},
		.examples = {"sluicectl config get egress.linger", "sluicectl config get 'listeners[0].port'"}},
	{"config", "set", "OPTION VALUE", "Change one option in the file and apply it; comments stay",
		.method = "PATCH", .path = "/v1/config/options", .list = "changes",
		.options = {{"comment", NULL, "TEXT", OPT_TEXT, "Why."}, RESTART_LATER},
		.columns = {{"option", "OPTION", 't'}, {"was", "WAS", 't'}, {"is", "IS", 't'}, {"restart", "RESTART", 't'}},
		.examples = {"sluicectl config set egress.linger 5ms --comment 'larger batches'"}},

	{"ca", "init", "", "Make a CA: a root and an issuing certificate",
		.detail = "root.key may be moved off the machine afterwards; only issuing.key is used.",
		.method = "POST", .path = "/v1/ca", .options = {{"organisation", NULL, "NAME", OPT_TEXT, "Stands in the certificates."}},
		.examples = {"sluicectl ca init --organisation 'Example Works'"}},
	{"ca", "show", "", "The CA certificates",
		.method = "GET", .path = "/v1/ca", .examples = {"sluicectl ca show --json | jq -r .root.pem"}},
	{"ca", "request", "", "A request for an issuing certificate, to be signed by a CA elsewhere",
		.detail = "The key is made here and never leaves. Give what comes back to `ca import`.",
		.method = "POST", .path = "/v1/ca/request", .run = run_ca_request,
		.options = {{"organisation", NULL, "NAME", OPT_LOCAL, "Stands in the request."}, {"out", NULL, "FILE", OPT_LOCAL, "Where the request goes (standard output)."}},
		.examples = {"sluicectl ca request --organisation 'Example Works' --out issuing.csr"}},
	{"ca", "import", "", "Take an issuing CA from elsewhere, or a root with its key",
		.detail = "The file holds the issuing certificate first, then the chain up to its root. Without --key it is the answer to the last `ca request`. A root certificate with its key gets an issuing certificate of its own. What the CA before it issued stays trusted; `trust remove` ends that.",
		.method = "POST", .path = "/v1/ca/import",
		.options = {{"certificate", NULL, "FILE", OPT_FILE, "The chain in PEM."}, {"key", NULL, "FILE", OPT_FILE, "Private key of the first certificate, PEM without password."}, {"organisation", NULL, "NAME", OPT_TEXT, "For the issuing certificate below an imported root."}, {"replace", NULL, NULL, OPT_FLAG, "Although there is a CA."}},
		.examples = {"sluicectl ca import --certificate issuing-chain.pem", "sluicectl ca import --certificate root.pem --key root.key --organisation 'Example Works'"}},
	{"ca", "crl", "", "Sign the revocation list of the own CA",
		.method = "POST", .path = "/v1/ca/crl", .run = run_ca_crl,
		.options = {{"days", NULL, "N", OPT_LOCAL, "The next one follows within N days (7)."}, {"out", NULL, "FILE", OPT_LOCAL, "Where the list goes (standard output), PEM."}},
		.examples = {"sluicectl ca crl --out sluice.crl"}},

	{"cert", "issue", "DEVICE", "Issue a certificate, from a CSR or with a new key",
		.detail = "A new key is written once and kept nowhere.",
		.method = "POST", .path = "/v1/certificates", .run = run_cert_issue,
		.options = {{"csr", NULL, "FILE", OPT_LOCAL, "Certificate request in PEM; its subject is not used."}, {"days", NULL, "N", OPT_LOCAL, "Valid for N days (365)."}, {"out", NULL, "FILE", OPT_LOCAL, "Where the certificate goes (standard output)."}, {"key-out", NULL, "FILE", OPT_LOCAL, "Where the new key goes (standard output); mode 600."}},
		.examples = {"sluicectl cert issue pump-17 --csr pump-17.csr --out pump-17.pem", "sluicectl cert issue pump-17 --key-out pump-17.key --out pump-17.pem"}},
	{"cert", "renew", "DEVICE", "Issue another certificate; the old one stays valid until it ends",
		.detail = "A certificate is renewed in the last third of its life; both count until the old one ends or is revoked.",
		.method = "POST", .path = "/v1/certificates", .run = run_cert_issue,
		.options = {{"csr", NULL, "FILE", OPT_LOCAL, "Certificate request in PEM."}, {"days", NULL, "N", OPT_LOCAL, "Valid for N days (365)."}, {"out", NULL, "FILE", OPT_LOCAL, "Where the certificate goes."}, {"key-out", NULL, "FILE", OPT_LOCAL, "Where the new key goes."}, {"early", NULL, NULL, OPT_LOCAL, "Although it is not in the last third of its life."}},
		.examples = {"sluicectl cert renew pump-17 --csr pump-17.csr --out pump-17.pem"}},
	{"cert", "add", "DEVICE", "Add a certificate that a trusted outside CA issued to a device",
		.method = "POST", .path = "/v1/devices/{}/certificates",
		.options = {{"certificate", NULL, "FILE", OPT_FILE, "The certificate in PEM, intermediate ones behind it."}},
		.examples = {"sluicectl cert add pump-17 --certificate pump-17.pem"}},
	{"cert", "list", "", "List certificates, first to expire first",
		.method = "GET", .path = "/v1/certificates", .list = "certificates",
		.options = {{"expiring", NULL, "TIME", OPT_WHEN, "Only those that end within 30d, 12h ..."}, {"device", NULL, "NAME", OPT_TEXT, "Of this device."}, {"after", NULL, "CURSOR", OPT_TEXT, "Go on behind the last list's end."}, LIMIT},
		.columns = {{"serial", "SERIAL", 't'}, {"device", "DEVICE", 't'}, {"state", "STATE", 't'}, {"renew", "RENEW", 't'}, {"not_after_s", "ENDS", 's'}, {"issuer", "ISSUER", 't'}},
		.examples = {"sluicectl cert list --expiring 30d"}},
	{"cert", "show", "SERIAL", "A certificate, by its serial or SHA-256",
		.method = "GET", .path = "/v1/certificates/{}", .examples = {"sluicectl cert show 4f00c1 --json | jq -r .pem"}},
	{"cert", "revoke", "SERIAL", "Revoke a certificate, by its serial or SHA-256",
		.method = "POST", .path = "/v1/certificates/{}/revoke", .asks = true, .options = {REASON},
		.examples = {"sluicectl cert revoke 4f00c1 --reason lost --yes"}},
	{"crl", "import", "FILE", "Import the revocation list of a trusted issuer, PEM or DER",
		.detail = "Its signature is checked with the issuer's key, and its number must come after that of the list in force. A device's certificate that it names counts no more.",
		.method = "POST", .path = "/v1/crls", .run = run_crl_import,
		.examples = {"sluicectl crl import factory.crl"}},
	{"crl", "list", "", "The revocation lists in force, by issuer",
		.method = "GET", .path = "/v1/trust", .list = "issuers",
		.columns = {{"name", "ISSUER", 't'}, {"crl.number", "NUMBER", 't'}, {"crl.this_s", "MADE", 's'}, {"crl.next_s", "NEXT UPDATE", 's'}, {"crl.entries", "ENTRIES", 'n'}},
		.examples = {"sluicectl crl list"}},
	{"trust", "list", "", "List trusted issuers",
		.method = "GET", .path = "/v1/trust", .list = "issuers",
		.columns = {{"name", "NAME", 't'}, {"anchor", "ANCHOR", 't'}, {"subject", "SUBJECT", 't'}, {"not_after_s", "ENDS", 's'}, {"at_s", "SINCE", 's'}},
		.examples = {"sluicectl trust list"}},
	{"trust", "add", "NAME", "Trust an outside CA, or all of a bundle",
		.detail = "Of a bundle the second certificate is called NAME-2 and so on. A certificate below one that is trusted helps to find the way to it; any other is an anchor itself.",
		.method = "POST", .path = "/v1/trust", .list = "issuers", .options = {{"pem", NULL, "FILE", OPT_FILE, "Its certificates in PEM."}},
		.columns = {{"name", "NAME", 't'}, {"anchor", "ANCHOR", 't'}, {"subject", "SUBJECT", 't'}, {"not_after_s", "ENDS", 's'}},
		.examples = {"sluicectl trust add factory --pem factory-ca.pem"}},
	{"trust", "remove", "NAME", "Trust an issuer no more; lists the devices that are refused then",
		.method = "DELETE", .path = "/v1/trust/{}", .options = {{"dry-run", NULL, NULL, OPT_FLAG, "Only list them."}},
		.examples = {"sluicectl trust remove factory --dry-run"}},
	{"template", "list", "", "List provisioning templates",
		.method = "GET", .path = "/v1/templates", .list = "templates", TEMPLATE_COLUMNS,
		.examples = {"sluicectl template list"}},
	{"template", "set", "", "What becomes of an unknown device with a certificate of an issuer",
		.method = "PUT", .path = "/v1/templates", .list = "templates",
		.options = {{"issuer", NULL, "NAME", OPT_TEXT, "A trusted issuer, see `trust list`."}, {"pattern", NULL, "GLOB", OPT_TEXT, "Device names it may bring."}, {"profile", NULL, "NAME", OPT_TEXT, "Profile of the devices."}, {"name", NULL, "RULE", OPT_TEXT, "How the device is called: %cn (default), %san, %serial of the certificate, and plain text."}, {"state", NULL, "STATE", OPT_TEXT, "pending (default) or active."}},
		TEMPLATE_COLUMNS,
		.examples = {"sluicectl template set --issuer factory --pattern 'pump-*' --profile meter", "sluicectl template set --issuer factory --pattern '*.plant.example' --name %san --profile meter --state active"}},
	{"template", "remove", "ISSUER PATTERN", "Take a template away; the devices it made stay",
		.method = "DELETE", .path = "/v1/templates/{}/{}", .list = "templates", TEMPLATE_COLUMNS,
		.examples = {"sluicectl template remove factory 'pump-*'"}},

	{"audit", "list", "", "Every change: who, what, when, before and after",
		.method = "GET", .path = "/v1/audit", .list = "entries",
		.options = {{"before", NULL, "ID", OPT_NUMBER, "Entries older than this one."}, LIMIT},
		.columns = {{"id", "ID", 'n'}, {"at_ns", "TIME", 'N'}, {"who", "WHO", 't'}, {"action", "ACTION", 't'}, {"object", "OBJECT", 't'}},
		.examples = {"sluicectl audit list --limit 10", "sluicectl audit list --json | jq '.entries[0].after'"}},
	{"audit", "verify", "", "Check that nobody changed the log",
		.method = "GET", .path = "/v1/audit/verify", .run = run_audit_verify,
		.examples = {"sluicectl audit verify"}},

	{"backup", "create", "DIRECTORY", "Write registry, configuration and sealed CA keys to a directory",
		.detail = "The keys of the CA stay sealed: keep the key file of sluice-signd elsewhere, without it they do not open.",
		.method = "POST", .path = "/v1/backup", .options = {{"without-ca", NULL, NULL, OPT_FLAG, "There is no sluice-signd here."}},
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
