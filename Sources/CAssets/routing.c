#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../../Policies/routing.yaml"
};

struct callvault_asset callvault_routing_yaml(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
