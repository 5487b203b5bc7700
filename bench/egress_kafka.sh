#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Kafka egress against a bare librdkafka loop on a real Apache Kafka (tests/kafka/broker).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
SLUICE_KAFKA_DIR=$(mktemp -d /tmp/bench-kafka-XXXXXX)/broker
export SLUICE_KAFKA_DIR
trap '"$top/tests/kafka/broker" wipe >/dev/null 2>&1; rm -rf "${SLUICE_KAFKA_DIR%/broker}"' EXIT
brokers=$("$top/tests/kafka/broker" start)
"$top/tests/kafka/broker" topic bench 4 retention.bytes=268435456 2>/dev/null
"$top/build/bench/bench_egress" "$brokers" bench
