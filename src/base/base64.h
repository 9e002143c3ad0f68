/* base/base64.h — bytes as text and back: RFC 4648, with padding (section 4), or for addresses and names
 * of files without it (section 5). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* What base64_encode() writes; no NUL. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)
size_t base64_encode(const char *bytes, size_t size, char *out);
size_t base64url_encode(const char *bytes, size_t size, char *out); /* not more than that */

/* Room needed for what is decoded. */
#define BASE64_DECODED_SIZE_MAX(size) ((size) / 4 * 3 + 2)
/* How many bytes; when it is not exactly what encoding gives, -1 - the place of the first byte that is
 * wrong, or of the end where something is missing. */
ssize_t base64_decode(const char *text, size_t size, char *out);
ssize_t base64url_decode(const char *text, size_t size, char *out); /* takes padding, too */
