#include "CAssets.h"

static const unsigned char bytes[] = {
#embed "../../Evidence/verify.html"
};

struct callvault_asset callvault_verify_html(void) {
  return (struct callvault_asset){bytes, sizeof bytes};
}
