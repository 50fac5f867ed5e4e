// Files that travel inside the program, so that it needs none beside it.
#pragma once
#include <stddef.h>

extern const unsigned char callvault_openapi_json[];
extern const size_t callvault_openapi_json_length;
