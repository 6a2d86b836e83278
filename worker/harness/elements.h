/* elements.h: Elements of beam_fn_api.proto, read and written without protobuf-c: this is the hot path.
 *
 * Reading is in place: slices point into the message. Writing goes into the very buffer that the plan
 * encodes into: a header of known length stands in front of the elements, and its two lengths, which
 * are padded to five bytes, are filled in at the end. Padded varints are valid protobuf. */
#ifndef BEAMC_HARNESS_ELEMENTS_H
#define BEAMC_HARNESS_ELEMENTS_H

#include <beamc/buf.h>
#include <beamc/error.h>

#include "base/wire.h"

/* One Elements.Data or Elements.Timers. */
typedef struct beamc_elements_part {
    beamc_slice instruction_id;
    beamc_slice transform_id;
    beamc_slice family; /* timers only */
    beamc_slice data;
    bool is_timers;
    bool is_last;
} beamc_elements_part;

/* The next part of the message behind @p in; *more is false at its end. INVALID_ARGUMENT when the bytes
 * are no Elements. Never reads outside of them. */
beamc_status beamc__elements_next(beamc_cursor *in, beamc_elements_part *part, bool *more,
                                  beamc_error *err) BEAMC_MUST_USE;

/* A runner may refuse a message of 2 GiB or more. */
enum { BEAMC_ELEMENTS_MAX_BYTES = INT32_MAX - 4096 };

/* Whose elements follow. @p family: NULL for data. Returns the length of the header, which is appended
 * to @p out. */
size_t beamc__elements_begin(beamc_buf *out, const char *instruction_id, const char *transform_id,
                             const char *family);
/* Fills in the lengths of the part that began at @p start with a header of @p header bytes. The part
 * ends where the buffer ends and is at most BEAMC_ELEMENTS_MAX_BYTES long. */
void beamc__elements_end(beamc_buf *out, size_t start, size_t header);
/* A part without elements that ends a port. */
void beamc__elements_put_last(beamc_buf *out, const char *instruction_id, const char *transform_id,
                              const char *family);

#endif
