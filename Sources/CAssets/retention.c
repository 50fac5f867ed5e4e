#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../../Policies/retention.yaml"
};

struct callvault_asset callvault_retention_yaml(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
