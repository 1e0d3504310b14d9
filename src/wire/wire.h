/*
 * wire.h: messages as bytes, and back. Nothing that a peer sends is trusted: a message comes out of here only when each of
 * its fields is within its limits and its payload fits its type.
 *
 * A frame is a header of WIRE_HEADER_BYTES, the same for all types, and the payload. Little-endian:
 *
 *	offset  bytes
 *	  0     4   magic "NMEM"             52     4   attr.gid
 *	  4     2   PROTOCOL_VERSION         56     8   cluster
 *	  6     1   type                     64     8   obj
 *	  7     1   mode                     72     8   page
 *	  8     4   length of the frame      80     8   size
 *	 12     4   error                    88     8   low
 *	 16     4   flags                    96     8   cookie
 *	 20     4   req                     104     8   dir
 *	 24     4   epoch                   112     8   to_dir
 *	 28     4   number                  120     8   attr.size_bytes
 *	 32     4   seg                     128     8   attr.used_bytes
 *	 36     4   count                   136     8   attr.atime_ns
 *	 40     4   offset                  144     8   attr.mtime_ns
 *	 44     4   attr.mode               152     8   attr.ctime_ns
 *	 48     4   attr.uid                160         payload
 */
#ifndef NETMEM_WIRE_WIRE_H
#define NETMEM_WIRE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "msg/msg.h"

#define WIRE_HEADER_BYTES 160
#define WIRE_FRAME_BYTES_MAX (WIRE_HEADER_BYTES + MSG_PAYLOAD_BYTES)

/*
 * Fills the header of a message; its payload follows it on the wire as it is. The message passes wire_check(), and its
 * payload is plain bytes: everything else is our own mistake.
 */
void wire_encode(const struct msg *msg, uint8_t header[WIRE_HEADER_BYTES]);

/* Turns what arrives, cut anywhere, into messages. Its memory is a fixed buffer of two frames. */
struct wire_decoder;

/* 0 or -ENOMEM. */
int wire_decoder_new(struct wire_decoder **decoder);
void wire_decoder_free(struct wire_decoder *decoder);

/* Where the next bytes go. There is always room once wire_decoder_next() has returned 0. */
void *wire_decoder_space(struct wire_decoder *decoder, size_t *space_bytes);

/* That many bytes were put there. */
void wire_decoder_filled(struct wire_decoder *decoder, size_t length_bytes);

/*
 * 1: a message, its payload points into the decoder until the next wire_decoder_space(). 0: more bytes are needed.
 * Negative: the stream is bad from here on and stays so, with a static reason in `why`; as in wire_check.h, or -EPROTO for
 * something that is not this protocol, -EPROTONOSUPPORT for another version of it.
 */
int wire_decoder_next(struct wire_decoder *decoder, struct msg *msg, const char **why);

#endif
