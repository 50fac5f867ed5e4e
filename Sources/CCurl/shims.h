// What Swift cannot import from libcurl: variadics. No logic.
#pragma once
#include <curl/curl.h>

static inline CURLcode callvault_curl_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode callvault_curl_set_offset(CURL *handle, CURLoption option,
                                                 curl_off_t value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode callvault_curl_set_string(CURL *handle, CURLoption option,
                                                 const char *value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode callvault_curl_set_pointer(CURL *handle, CURLoption option, void *value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode callvault_curl_set_list(CURL *handle, CURLoption option,
                                               struct curl_slist *value) {
  return curl_easy_setopt(handle, option, value);
}
static inline CURLcode callvault_curl_set_write(CURL *handle, CURLoption option,
                                                curl_write_callback callback) {
  return curl_easy_setopt(handle, option, callback);
}
static inline CURLcode callvault_curl_set_read(CURL *handle, curl_read_callback callback) {
  return curl_easy_setopt(handle, CURLOPT_READFUNCTION, callback);
}
static inline CURLcode callvault_curl_set_seek(CURL *handle, curl_seek_callback callback) {
  return curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, callback);
}
static inline CURLcode callvault_curl_set_progress(CURL *handle, curl_xferinfo_callback callback) {
  return curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, callback);
}
static inline CURLcode callvault_curl_status(CURL *handle, long *status) {
  return curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, status);
}
// CURL_GLOBAL_DEFAULT is a macro of macros with casts.
static inline CURLcode callvault_curl_start(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }
