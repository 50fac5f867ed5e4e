/* Yardstick: unwrap and wrap again, in plain C over OpenSSL, what a rotation does to each key.
 *
 * One thread. Each key of 32 bytes is decrypted under the old key-encryption key with its associated data
 * and encrypted under the new one with its own and a random nonce; both contexts live for the whole run.
 *
 *     rewrap COUNT        prints keys a second */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RECORD = 95, CONTEXT = 256 };

static int context(char *out, const unsigned char *owner, const unsigned char *key, int use, unsigned epoch) {
  static const char digits[] = "0123456789abcdef";
  char text[2][37];
  const unsigned char *ids[2] = {owner, key};
  for (int id = 0; id < 2; id++) {
    char *to = text[id];
    for (int i = 0; i < 16; i++) {
      if (i == 4 || i == 6 || i == 8 || i == 10) *to++ = '-';
      *to++ = digits[ids[id][i] >> 4];
      *to++ = digits[ids[id][i] & 15];
    }
    *to = 0;
  }
  return snprintf(out, CONTEXT,
                  "callvault/wrap/v1|tenant=0d2ab6d6-5b1f-4f0e-8a1d-0a6a3c5e9b11|owner=%s|key=%s|use=%d|epoch=%u",
                  text[0], text[1], use, epoch);
}

static void seal(EVP_CIPHER_CTX *c, unsigned char *record, const unsigned char *plain, const char *aad, int length) {
  int n;
  if (RAND_bytes(record + 35, 12) != 1 || EVP_EncryptInit_ex(c, 0, 0, 0, record + 35) != 1 ||
      EVP_EncryptUpdate(c, 0, &n, (const unsigned char *)aad, length) != 1 ||
      EVP_EncryptUpdate(c, record + 47, &n, plain, 32) != 1 || EVP_EncryptFinal_ex(c, record + 79, &n) != 1 ||
      EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, record + 79) != 1)
    abort();
}

int main(int argc, char **argv) {
  size_t count = argc > 1 ? strtoul(argv[1], 0, 10) : 0;
  if (!count) return 2;
  unsigned char keks[2][32], *records = malloc(count * RECORD), *owners = malloc(count * 16), plain[32], tail[16];
  char aad[CONTEXT];
  RAND_bytes(keks[0], 64);
  RAND_bytes(owners, (int)(count * 16));
  EVP_CIPHER_CTX *old = EVP_CIPHER_CTX_new(), *opener = EVP_CIPHER_CTX_new(), *fresh = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(old, EVP_aes_256_gcm(), 0, keks[0], 0);
  EVP_DecryptInit_ex(opener, EVP_aes_256_gcm(), 0, keks[0], 0);
  EVP_EncryptInit_ex(fresh, EVP_aes_256_gcm(), 0, keks[1], 0);
  for (size_t i = 0; i < count; i++) {
    unsigned char *record = records + i * RECORD;
    RAND_bytes(record, 35);
    RAND_bytes(plain, 32);
    seal(old, record, plain, aad, context(aad, owners + i * 16, record + 18, 1, 1));
  }
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (size_t i = 0; i < count; i++) {
    unsigned char *record = records + i * RECORD;
    int n, length = context(aad, owners + i * 16, record + 18, 1, 1);
    if (EVP_DecryptInit_ex(opener, 0, 0, 0, record + 35) != 1 ||
        EVP_DecryptUpdate(opener, 0, &n, (unsigned char *)aad, length) != 1 ||
        EVP_DecryptUpdate(opener, plain, &n, record + 47, 32) != 1 ||
        EVP_CIPHER_CTX_ctrl(opener, EVP_CTRL_AEAD_SET_TAG, 16, record + 79) != 1 ||
        EVP_DecryptFinal_ex(opener, tail, &n) != 1)
      abort();
    seal(fresh, record, plain, aad, context(aad, owners + i * 16, record + 18, 1, 2));
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("%.0f\n", (double)count / ((double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9));
  return 0;
}
