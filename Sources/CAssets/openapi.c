#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../Service/openapi.json"
};

struct callvault_asset callvault_openapi_json(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
