#include "CAssets.h"

const unsigned char callvault_openapi_json[] = {
#embed "../Service/openapi.json"
};
const size_t callvault_openapi_json_length = sizeof callvault_openapi_json;
