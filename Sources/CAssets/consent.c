#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../../Policies/consent.yaml"
};

struct callvault_asset callvault_consent_yaml(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
