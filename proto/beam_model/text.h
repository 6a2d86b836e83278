/* text.h: any message as text, for people. The payloads of FunctionSpecs whose URN we know are shown as the
 * messages they hold; other bytes as quoted text with escapes, cut when long.
 *
 * Threads: none of this keeps state. */
#ifndef BEAMC_BEAM_MODEL_TEXT_H
#define BEAMC_BEAM_MODEL_TEXT_H

#include <beamc/buf.h>
#include <protobuf-c/protobuf-c.h>

/* Appends @p message, one field a line, nested messages in braces. @p max_bytes cuts byte fields; 0: never. */
void beamc__proto_text(const ProtobufCMessage *message, size_t max_bytes, beamc_buf *out);

#endif
