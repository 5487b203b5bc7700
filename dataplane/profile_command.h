// SPDX-License-Identifier: Apache-2.0
// `sluiced profile list|show|test`: what the profiles of a configuration are and do. Needs neither
// network nor Kafka nor rights; `sluicectl profile` runs it.
#pragma once

// argv[0] is "profile". Returns the process's exit status.
int profile_command(int argc, char **argv);
