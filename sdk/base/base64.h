/* base64.h: RFC 4648, the standard alphabet, with padding. */
#ifndef BEAMC_BASE_BASE64_H
#define BEAMC_BASE_BASE64_H

#include <beamc/buf.h>

void beamc__base64_put(beamc_buf *out, beamc_slice bytes);
/* Appends what @p text stands for. False for anything but whole, padded groups of the alphabet. */
bool beamc__base64_decode(beamc_slice text, beamc_buf *out);

#endif
