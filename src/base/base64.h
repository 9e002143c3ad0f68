/* base/base64.h — bytes as text and back: RFC 4648, section 4, with padding. */
#ifndef MOONPORT_BASE_BASE64_H
#define MOONPORT_BASE_BASE64_H

#include <stddef.h>
#include <sys/types.h>

/* What base64_encode() writes; no NUL. */
#define BASE64_SIZE(size) (((size) + 2) / 3 * 4)
size_t base64_encode(const char *bytes, size_t size, char *out);

/* Room needed for what base64_decode() may write. */
#define BASE64_DECODED_SIZE_MAX(size) ((size) / 4 * 3)
/* How many bytes; -1 when the text is no base64 in whole groups of four. */
ssize_t base64_decode(const char *text, size_t size, char *out);

#endif
