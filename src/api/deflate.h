/* api/deflate.h — messages deflated and inflated as RFC 7692 has it, without memory between them. Knows no
 * connection: one serves all of a script. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct deflate; /* what zlib needs; made when it is first needed */

enum deflate_result { DEFLATE_DONE, DEFLATE_STARVED, DEFLATE_TOO_LONG, DEFLATE_BROKEN };

struct deflate_piece {
  char *bytes; /* the caller's to free(); NULL unless it is done */
  size_t size;
};

/* The bytes of a message as they came. What gets longer than `bytes_max` is given up there. */
enum deflate_result deflate_inflate(struct deflate **held, const char *bytes, size_t size,
                                    size_t bytes_max, struct deflate_piece *out);
/* `window_bits`: 9 to 15. */
enum deflate_result deflate_deflate(struct deflate **held, unsigned window_bits, const char *bytes,
                                    size_t size, struct deflate_piece *out);
void deflate_free(struct deflate *deflate); /* NULL is allowed */
