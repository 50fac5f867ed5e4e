// What Swift cannot import from libharu: macros with casts. No logic.
#pragma once
#include <hpdf.h>

static inline HPDF_STATUS callvault_pdf_compress(HPDF_Doc document) {
  return HPDF_SetCompressionMode(document, HPDF_COMP_ALL);
}
