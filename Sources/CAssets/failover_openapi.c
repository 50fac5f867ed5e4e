#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../Service/failover-openapi.json"
};

struct callvault_asset callvault_failover_openapi_json(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
