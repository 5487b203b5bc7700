// SPDX-License-Identifier: Apache-2.0
// sluiced: the data plane. Commands, each one function.
#include "config/config.h"
#include "dataplane/daemon.h"
#include "dataplane/profile_command.h"
#include "dataplane/replay.h"
#include "dataplane/signatures_check.h"
#include "pipelines/embedded_kafka.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: sluiced run [--config FILE] [--for SECONDS]\n"
	"       sluiced check [--config FILE]\n"
	"       sluiced replay [--config FILE] [--out json|kafka] CAPTURE...\n"
	"       sluiced signatures [--config FILE] [--set PATH] [CAPTURE...]\n"
	"       sluiced embedded-kafka --topics NAME:PARTITIONS[,...] [--run-dir DIR]\n"
	"       sluiced profile list|show|test ...\n"
	"       sluiced --version\n"
	"\n"
	"run              the data plane, until SIGTERM; SIGUSR1 prints the ledgers\n"
	"check            read the configuration, say what is wrong with it, exit 0 or 2\n"
	"replay           captures (pcap, pcapng) through the same code; records on stdout\n"
	"profile          the profiles of a configuration, and what they make of a sample\n"
	"signatures       compile a set and run its test vectors; what it would hit in captures\n"
	"embedded-kafka   a Kafka for trying out (librdkafka's mock), never for counting\n"
	"\n"
	"FILE defaults to /etc/sluice/sluice.yaml. Exit status: 0 good, 1 did not start,\n"
	"2 wrong configuration or usage, 3 the ledgers did not balance,\n"
	"4 profile test: the message would be refused.\n";

struct options {
	const char *config;
	unsigned for_s;
	enum replay_out out;
	const char *set;
};

static int options_parse(int argc, char **argv, struct options *o) {
	static const struct option longs[] = {
		{"config", required_argument, nullptr, 'c'},
		{"for", required_argument, nullptr, 'f'},
		{"out", required_argument, nullptr, 'o'},
		{"set", required_argument, nullptr, 's'},
		{},
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:", longs, nullptr)) != -1) {
		if (option == 'c')
			o->config = optarg;
		else if (option == 'f')
			o->for_s = (unsigned)strtoul(optarg, nullptr, 10);
		else if (option == 's')
			o->set = optarg;
		else if (option == 'o' && strcmp(optarg, "json") == 0)
			o->out = REPLAY_JSON;
		else if (option == 'o' && strcmp(optarg, "kafka") == 0)
			o->out = REPLAY_KAFKA;
		else
			return -1;
	}
	return 0;
}

int main(int argc, char **argv) {
	struct options o = {.config = "/etc/sluice/sluice.yaml"};
	const char *command = argc > 1 ? argv[1] : "";

	if (strcmp(command, "--version") == 0) {
		puts("sluiced " SLUICE_VERSION);
		return EXIT_STATUS_OK;
	}
	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
		fputs(usage, stdout);
		return EXIT_STATUS_OK;
	}
	if (strcmp(command, "embedded-kafka") == 0)
		return embedded_kafka_main(argc - 1, argv + 1);
	if (strcmp(command, "profile") == 0)
		return profile_command(argc - 1, argv + 1);
	if (argc > 1 && options_parse(argc - 1, argv + 1, &o) == 0) {
		char **rest = argv + 1 + optind;
		int rest_count = argc - 1 - optind;
		if (strcmp(command, "replay") == 0 && rest_count > 0)
			return replay_run(o.config, nullptr, o.out, rest, rest_count);
		if (strcmp(command, "signatures") == 0 && rest_count > 0)
			return replay_run(o.config, o.set, REPLAY_SIGNATURES, rest, rest_count);
		if (strcmp(command, "signatures") == 0)
			return signatures_check(o.config, o.set);
		if (rest_count > 0) {
			fputs(usage, stderr);
			return EXIT_STATUS_CONFIG;
		}
		if (strcmp(command, "run") == 0)
			return daemon_run(o.config, o.for_s);
		if (strcmp(command, "check") == 0) {
			struct config *c = daemon_load_config(o.config);
			if (c == nullptr)
				return EXIT_STATUS_CONFIG;
			printf("%s: good\n", o.config);
			config_free(c);
			return EXIT_STATUS_OK;
		}
	}
	fputs(usage, stderr);
	return EXIT_STATUS_CONFIG;
}
