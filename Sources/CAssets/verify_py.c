#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../../Evidence/verify.py"
};

struct callvault_asset callvault_verify_py(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
