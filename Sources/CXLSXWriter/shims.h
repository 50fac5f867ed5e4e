// libxlsxwriter as it is.
#pragma once
#include <xlsxwriter.h>
