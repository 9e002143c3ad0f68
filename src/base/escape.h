/* base/escape.h — bytes of anyone's as text that is safe to show, and inside of a JSON string. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Longest form of one character: four bytes as \\xNN. */
enum { ESCAPE_SIZE_MAX = 24 };

/* Renders the first character of `text` (`size` >= 1); *taken is its length there. What leaves is
 * valid UTF-8 without control characters. Bytes that are no UTF-8 become \xNN; control characters
 * \n or \xNN, in JSON \n or \uNNNN. Returns the size in `out`. */
size_t escape_one(bool json, const char *text, size_t size, size_t *taken,
                  char out[ESCAPE_SIZE_MAX]);

/* The length of the beginning of `text` that both styles show as it is: printable ASCII. */
size_t escape_plain_size(const char *text, size_t size);
