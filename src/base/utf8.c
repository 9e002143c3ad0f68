/* base/utf8.c — one character of UTF-8 at a time, and whether it is safe to show. */
#include "base/utf8.h"

size_t utf8_decode(const char *bytes, size_t size, uint32_t *out) {
  /* The least code point of each length: what is below was encoded longer than needed. */
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  unsigned char lead = (unsigned char)bytes[0];
  size_t length = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  if (length == 0 || length > size || lead > 0xf4) return 0;
  uint32_t code_point = length == 1 ? lead : lead & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    unsigned char byte = (unsigned char)bytes[i];
    if ((byte & 0xc0) != 0x80) return 0;
    code_point = code_point << 6 | (byte & 0x3f);
  }
  bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (code_point < least[length] || surrogate || code_point > 0x10ffff) return 0;
  *out = code_point;
  return length;
}

bool utf8_is_shown(uint32_t code_point) {
  static const struct {
    uint32_t first, last;
  } hidden[] = {
      {0x0000, 0x001f}, /* C0 */
      {0x007f, 0x009f}, /* DEL and C1 */
      {0x200e, 0x200f}, /* direction marks */
      {0x2028, 0x202e}, /* separators, direction embeddings and overrides */
      {0x2066, 0x2069}, /* direction isolates */
  };
  for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
    if (code_point >= hidden[i].first && code_point <= hidden[i].last) return false;
  }
  return true;
}
