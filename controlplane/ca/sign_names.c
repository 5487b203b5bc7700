// SPDX-License-Identifier: Apache-2.0
#include "controlplane/ca/sign_message.h"

const char *sign_file_name(enum sign_file f) {
	static const char *const names[SIGN_FILE_COUNT] = {
#define X(id, name) [id] = name,
		SIGN_FILES(X)
#undef X
	};
	return names[f];
}
