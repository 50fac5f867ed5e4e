#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../../Policies/access.yaml"
};

struct callvault_asset callvault_access_yaml(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
