// SPDX-License-Identifier: Apache-2.0
// `sluiced embedded-kafka --topics a:4,b:1 [--run-dir DIR]`: librdkafka's mock cluster in a process
// of its own, for trying Sluice out without a Kafka. It keeps about the last 5 MiB of each
// partition. Its address goes to DIR/kafka; it ends at SIGTERM or SIGINT.
#pragma once

#define EMBEDDED_RUN_DIR "/run/sluice"

// Returns the exit status: 0, 1 (could not run), 2 (usage). argv[0] is the subcommand.
int embedded_kafka_main(int argc, char **argv);
