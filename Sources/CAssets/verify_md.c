#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../../Evidence/VERIFY.md"
};

struct callvault_asset callvault_verify_md(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
