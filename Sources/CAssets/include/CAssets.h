// Files that travel inside the program, so that it needs none beside it.
#pragma once
#include <stddef.h>

// The bytes of one file; they live as long as the program.
struct callvault_asset {
  const unsigned char *bytes;
  size_t length;
};

struct callvault_asset callvault_openapi_json(void);
struct callvault_asset callvault_access_yaml(void);
struct callvault_asset callvault_retention_yaml(void);
struct callvault_asset callvault_routing_yaml(void);
struct callvault_asset callvault_failover_openapi_json(void);
struct callvault_asset callvault_consent_yaml(void);
struct callvault_asset callvault_verify_py(void);
struct callvault_asset callvault_verify_html(void);
struct callvault_asset callvault_verify_md(void);
