// SPDX-License-Identifier: Apache-2.0
// The value of one option: text to field and back. For options that need nothing but their field;
// lists, references, secrets and views are the loader's. Pure, any thread.
#pragma once

#include "config/schema.h"

// Store `text` in the field of `o` in `element` (struct config, or the list element the option
// belongs to). 0; -EINVAL with `why` telling the operator what is wrong, the rest of the sentence
// "ports[0].mtu: ..."; -ENOTSUP for the loader's types. On error the field is untouched.
int option_set(const struct option *o, void *element, const char *text, char *why, size_t why_size);

// Write the field as one would write it in the file. 0, or -ENOTSUP.
int option_get(const struct option *o, const void *element, char *text, size_t size);
