/* decimal.h: decimals of the row coder as text. Encoded: a varint scale, then the unscaled integer
 * as length-prefixed big-endian two's complement. */
#ifndef BEAMC_CODER_DECIMAL_H
#define BEAMC_CODER_DECIMAL_H

#include <beamc/buf.h>
#include <beamc/error.h>

/* Appends "-12.50", or "12E+3" for a negative scale. An empty encoding is 0. */
beamc_status beamc__decimal_to_text(beamc_slice encoded, beamc_buf *out,
                                    beamc_error *err) BEAMC_MUST_USE;
/* Appends the encoding of [-+]digits[.digits]. */
beamc_status beamc__decimal_from_text(beamc_slice text, beamc_buf *out,
                                      beamc_error *err) BEAMC_MUST_USE;

#endif
