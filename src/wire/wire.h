/*
 * wire.h: messages as bytes, and back. Nothing that a peer sends is trusted: a message comes out of here only when each of
 * its fields is within its limits and its payload fits its type.
 *
 * A frame is a header of WIRE_HEADER_BYTES, the same for all types, and the payload. Little-endian:
 *
 *	offset  bytes
 *	  0     4   magic "NMEM"            48     8   cluster
 *	  4     2   PROTOCOL_VERSION        56     8   obj
 *	  6     1   type                    64     8   page
 *	  7     1   mode                    72     8   size
 *	  8     4   length of the frame     80     8   low
 *	 12     4   error                   88     8   cookie
 *	 16     2   dir                     96     4   attr.mode
 *	 18     2   to_dir                 100     4   attr.uid
 *	 20     4   flags                  104     4   attr.gid
 *	                                   108     4   0
 *	 24     4   req                    112     8   attr.size_bytes
 *	 28     4   epoch                  120     8   attr.used_bytes
 *	 32     4   number                 128     8   attr.mtime_ns
 *	 36     4   seg                    136     8   attr.ctime_ns
 *	 40     4   count                  144         payload
 *	 44     4   offset
 */
#ifndef NETMEM_WIRE_WIRE_H
#define NETMEM_WIRE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "msg/msg.h"

#define WIRE_HEADER_BYTES 144
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
