// SPDX-License-Identifier: Apache-2.0
#include "pipelines/embedded_kafka.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PARTITIONS_MAX 1024

static int usage(void) {
	fprintf(stderr,
		"usage: sluiced embedded-kafka --topics NAME:PARTITIONS[,...] [--run-dir DIR]\n");
	return 2;
}

// One "name:partitions" of the list; `partitions` defaults to 1. The name is cut in place.
static int topic_parse(char *item, long *partitions) {
	char *colon = strchr(item, ':');
	char *end = nullptr;

	*partitions = 1;
	if (colon != nullptr) {
		*colon = '\0';
		*partitions = strtol(colon + 1, &end, 10);
		if (end == colon + 1 || *end != '\0')
			return -EINVAL;
	}
	return item[0] != '\0' && *partitions >= 1 && *partitions <= PARTITIONS_MAX ? 0 : -EINVAL;
}

static int topics_create(rd_kafka_mock_cluster_t *cluster, char *list) {
	char *save = nullptr;

	for (char *item = strtok_r(list, ",", &save); item != nullptr;
	     item = strtok_r(nullptr, ",", &save)) {
		long partitions;
		if (topic_parse(item, &partitions) != 0) {
			fprintf(stderr,
				"embedded-kafka: '%s': a topic is NAME:PARTITIONS, 1..%d\n",
				item,
				PARTITIONS_MAX);
			return 2;
		}
		rd_kafka_resp_err_t err =
			rd_kafka_mock_topic_create(cluster, item, (int)partitions, 1);
		if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
			fprintf(stderr,
				"embedded-kafka: topic %s: %s\n",
				item,
				rd_kafka_err2str(err));
			return 1;
		}
		fprintf(stderr, "embedded-kafka: topic %s, %ld partitions\n", item, partitions);
	}
	return 0;
}

// Whoever waits for the file finds it whole.
static int address_write(const char *path, const char *address) {
	char next[320];

	snprintf(next, sizeof(next), "%s.new", path);
	FILE *f = fopen(next, "we");
	if (f == nullptr)
		return -errno;
	fprintf(f, "%s\n", address);
	if (fclose(f) != 0 || rename(next, path) != 0)
		return -errno;
	return 0;
}

static int serve(rd_kafka_mock_cluster_t *cluster, const char *run_dir, const sigset_t *ends) {
	const char *address = rd_kafka_mock_cluster_bootstraps(cluster);
	char path[300];
	int got;

	snprintf(path, sizeof(path), "%s/kafka", run_dir);
	int ret = address_write(path, address);
	if (ret != 0) {
		fprintf(stderr, "embedded-kafka: %s: %s\n", path, strerror(-ret));
		return 1;
	}
	fprintf(stderr,
		"embedded-kafka: at %s (also in %s); keeps only the last 5 MiB per partition: for "
		"trying out, never for counting\n",
		address,
		path);
	sigwait(ends, &got);
	unlink(path);
	return 0;
}

static int run(char *topics, const char *run_dir) {
	char text[256];
	sigset_t ends;

	// Before librdkafka makes its threads, so that all of them leave the signals to sigwait().
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, nullptr);

	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof(text));
	if (rk == nullptr) {
		fprintf(stderr, "embedded-kafka: %s\n", text);
		return 1;
	}
	rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(rk, 1);
	int status = 1;
	if (cluster != nullptr) {
		status = topics_create(cluster, topics);
		if (status == 0)
			status = serve(cluster, run_dir, &ends);
		rd_kafka_mock_cluster_destroy(cluster);
	}
	rd_kafka_destroy(rk);
	return status;
}

int embedded_kafka_main(int argc, char **argv) {
	static const struct option options[] = {
		{"topics", required_argument, nullptr, 't'},
		{"run-dir", required_argument, nullptr, 'r'},
		{},
	};
	const char *run_dir = EMBEDDED_RUN_DIR;
	char *topics = nullptr;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, nullptr)) != -1) {
		if (option == 't')
			topics = optarg;
		else if (option == 'r')
			run_dir = optarg;
		else
			return usage();
	}
	if (topics == nullptr || optind != argc)
		return usage();
	return run(topics, run_dir);
}
