// The header as it is: libqrencode needs nothing that Swift cannot import.
#pragma once
#include <qrencode.h>
