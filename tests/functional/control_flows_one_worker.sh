#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# control_flows with one worker.
WORKERS=1 exec "$(dirname "$0")/control_flows.sh"
