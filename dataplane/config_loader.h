// SPDX-License-Identifier: Apache-2.0
// The loader of configuration files for dataplane/loading.h. Main thread.
#pragma once

#include "dataplane/loading.h"

extern const struct generation_loader config_loader;
