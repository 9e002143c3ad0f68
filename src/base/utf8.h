/* base/utf8.h — one character of UTF-8 at a time, and whether it is safe to show. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the character at the start of `bytes` (`size` >= 1) into *out and returns its length, 1 to
 * 4; 0 when no valid character starts there: broken, overlong, a surrogate or above U+10FFFF. */
size_t utf8_decode(const char *bytes, size_t size, uint32_t *out);

/* False for what acts on a terminal or on the order of a line instead of being seen (C0, DEL, C1,
 * line and paragraph separators, the marks that turn the direction of writing around), and for what
 * cannot be seen at all, like a space of no width: two texts that look alike are alike. */
bool utf8_is_shown(uint32_t code_point);

/* How many of these bytes are left when a character that is cut at the end goes. */
size_t utf8_whole_size(const char *bytes, size_t size);

/* Text that comes in pieces, of which each may end within a character. Begins with zeros. */
struct utf8_check {
  uint8_t needed;       /* bytes until the character at hand is whole */
  uint8_t lower, upper; /* what the next of them may be, if any is needed */
};
/* Looks at the next piece; false as soon as no text can begin like this, and then it is over. */
bool utf8_check(struct utf8_check *check, const char *bytes, size_t size);
/* Whether the text may end here. */
static inline bool utf8_check_ends(const struct utf8_check *check) {
  return check->needed == 0;
}
/* The same of what is there as a whole. */
bool utf8_is_valid(const char *bytes, size_t size);
