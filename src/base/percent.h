/* base/percent.h — bytes as hexadecimal digits, and as in addresses of the web (RFC 3986, section 2.1), and
 * back. Allocates nothing. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* The value of a hexadecimal digit, or -1. */
int hex_value(char digit);
/* Writes 2 * size digits, in lower case. */
void hex_encode(const char *bytes, size_t size, char *out);
/* How many bytes, of which at most size / 2 are written; -1 - the place of what is wrong, or missing. */
ssize_t hex_decode(const char *text, size_t size, char *out);

/* Writes at most 3 * size bytes, and says how many: all but letters, digits and "-._~" is escaped. */
size_t percent_encode(const char *bytes, size_t size, char *out);
enum {
  PERCENT_PLUS = 1 << 0,    /* of a form: "+" is a blank */
  PERCENT_LENIENT = 1 << 1, /* a "%" without two digits stays as it is */
};
/* How many bytes, of which at most `size` are written, also in place; -1 - the place of a "%" that is
 * followed by no two digits. */
ssize_t percent_decode(const char *text, size_t size, unsigned how, char *out);
