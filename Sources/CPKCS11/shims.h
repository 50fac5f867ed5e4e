// What Swift cannot import from PKCS#11: templates of typed pointers, fixed arrays, and a table of
// functions. No logic.
#pragma once
#include <p11-kit/p11-kit.h>
#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>
#include <string.h>

static inline CK_RV callvault_p11_slots(CK_FUNCTION_LIST *module, CK_SLOT_ID *slots,
                                        CK_ULONG *count) {
  return module->C_GetSlotList(CK_TRUE, slots, count);
}
static inline CK_RV callvault_p11_token(CK_FUNCTION_LIST *module, CK_SLOT_ID slot,
                                        unsigned char label[32], unsigned char serial[16],
                                        CK_FLAGS *flags) {
  CK_TOKEN_INFO info;
  CK_RV status = module->C_GetTokenInfo(slot, &info);
  if (status != CKR_OK) return status;
  memcpy(label, info.label, 32);
  memcpy(serial, info.serialNumber, 16);
  *flags = info.flags;
  return status;
}
static inline CK_RV callvault_p11_open(CK_FUNCTION_LIST *module, CK_SLOT_ID slot,
                                       CK_SESSION_HANDLE *session) {
  return module->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, session);
}
static inline CK_RV callvault_p11_login(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session,
                                        const unsigned char *pin, CK_ULONG length) {
  return module->C_Login(session, CKU_USER, (unsigned char *)pin, length);
}
static inline void callvault_p11_close(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session) {
  module->C_Logout(session);
  module->C_CloseSession(session);
}
// An AES key of 256 bits that stays on the token, and never leaves it.
static inline CK_RV callvault_p11_make_key(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session,
                                           const unsigned char *label, CK_ULONG label_length,
                                           const unsigned char *id, CK_ULONG id_length) {
  CK_OBJECT_CLASS class = CKO_SECRET_KEY;
  CK_KEY_TYPE type = CKK_AES;
  CK_ULONG length = 32;
  CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
  CK_ATTRIBUTE key[] = {
      {CKA_CLASS, &class, sizeof class},     {CKA_KEY_TYPE, &type, sizeof type},
      {CKA_VALUE_LEN, &length, sizeof length}, {CKA_TOKEN, &yes, sizeof yes},
      {CKA_PRIVATE, &yes, sizeof yes},       {CKA_SENSITIVE, &yes, sizeof yes},
      {CKA_EXTRACTABLE, &no, sizeof no},     {CKA_ENCRYPT, &yes, sizeof yes},
      {CKA_DECRYPT, &yes, sizeof yes},       {CKA_WRAP, &no, sizeof no},
      {CKA_UNWRAP, &no, sizeof no},          {CKA_LABEL, (void *)label, label_length},
      {CKA_ID, (void *)id, id_length}};
  CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
  CK_OBJECT_HANDLE made;
  return module->C_GenerateKey(session, &mechanism, key, sizeof key / sizeof *key, &made);
}
// At most `most` AES keys of that label or, with an id, of that id.
static inline CK_RV callvault_p11_find(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session,
                                       CK_ATTRIBUTE_TYPE what, const unsigned char *value,
                                       CK_ULONG length, CK_OBJECT_HANDLE *found, CK_ULONG most,
                                       CK_ULONG *count) {
  CK_OBJECT_CLASS class = CKO_SECRET_KEY;
  CK_KEY_TYPE type = CKK_AES;
  CK_ATTRIBUTE key[] = {{CKA_CLASS, &class, sizeof class},
                        {CKA_KEY_TYPE, &type, sizeof type},
                        {what, (void *)value, length}};
  CK_RV status = module->C_FindObjectsInit(session, key, 3);
  if (status != CKR_OK) return status;
  status = module->C_FindObjects(session, found, most, count);
  module->C_FindObjectsFinal(session);
  return status;
}
static inline CK_RV callvault_p11_id(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session,
                                     CK_OBJECT_HANDLE key, unsigned char *id, CK_ULONG *length) {
  CK_ATTRIBUTE attribute = {CKA_ID, id, *length};
  CK_RV status = module->C_GetAttributeValue(session, key, &attribute, 1);
  *length = attribute.ulValueLen;
  return status;
}
// Whether the token says that the key can leave it, or was ever outside.
static inline CK_RV callvault_p11_confinement(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session,
                                              CK_OBJECT_HANDLE key, CK_BBOOL *extractable,
                                              CK_BBOOL *sensitive, CK_BBOOL *local) {
  CK_ATTRIBUTE attributes[] = {{CKA_EXTRACTABLE, extractable, sizeof *extractable},
                               {CKA_SENSITIVE, sensitive, sizeof *sensitive},
                               {CKA_LOCAL, local, sizeof *local}};
  return module->C_GetAttributeValue(session, key, attributes, 3);
}
// C_Encrypt and C_Decrypt, and their beginnings, have one shape each.
static inline CK_RV callvault_p11_gcm(CK_C_EncryptInit begin, CK_C_Encrypt run,
                                      CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key,
                                      const unsigned char *nonce, CK_ULONG nonce_length,
                                      const unsigned char *context, CK_ULONG context_length,
                                      const unsigned char *input, CK_ULONG input_length,
                                      unsigned char *output, CK_ULONG *output_length) {
  CK_GCM_PARAMS gcm = {(unsigned char *)nonce,   nonce_length,   nonce_length * 8,
                       (unsigned char *)context, context_length, 128};
  CK_MECHANISM mechanism = {CKM_AES_GCM, &gcm, sizeof gcm};
  CK_RV status = begin(session, &mechanism, key);
  if (status != CKR_OK) return status;
  return run(session, (unsigned char *)input, input_length, output, output_length);
}
static inline CK_RV callvault_p11_seal(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session,
                                       CK_OBJECT_HANDLE key, const unsigned char *nonce,
                                       CK_ULONG nonce_length, const unsigned char *context,
                                       CK_ULONG context_length, const unsigned char *plain,
                                       CK_ULONG plain_length, unsigned char *sealed,
                                       CK_ULONG *sealed_length) {
  return callvault_p11_gcm(module->C_EncryptInit, module->C_Encrypt, session, key, nonce,
                           nonce_length, context, context_length, plain, plain_length, sealed,
                           sealed_length);
}
static inline CK_RV callvault_p11_unseal(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session,
                                         CK_OBJECT_HANDLE key, const unsigned char *nonce,
                                         CK_ULONG nonce_length, const unsigned char *context,
                                         CK_ULONG context_length, const unsigned char *sealed,
                                         CK_ULONG sealed_length, unsigned char *plain,
                                         CK_ULONG *plain_length) {
  return callvault_p11_gcm(module->C_DecryptInit, module->C_Decrypt, session, key, nonce,
                           nonce_length, context, context_length, sealed, sealed_length, plain,
                           plain_length);
}
static inline CK_RV callvault_p11_destroy(CK_FUNCTION_LIST *module, CK_SESSION_HANDLE session,
                                          CK_OBJECT_HANDLE key) {
  return module->C_DestroyObject(session, key);
}
