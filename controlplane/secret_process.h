// SPDX-License-Identifier: Apache-2.0
// A process that keys and passwords pass through.
#pragma once

// Nothing of its memory reaches a core dump or another user's debugger: not dumpable, no core, and
// no mapping in one (as MADV_DONTDUMP on each). What jansson frees is wiped. At the start.
void secret_process(void);
