/* base/utf8.c — one character of UTF-8 at a time, and whether it is safe to show. */
#include "base/utf8.h"

#include <string.h>

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
      {0x0000, 0x001f},   /* C0 */
      {0x007f, 0x009f},   /* DEL and C1 */
      {0x00ad, 0x00ad},   /* soft hyphen */
      {0x034f, 0x034f},   /* grapheme joiner */
      {0x061c, 0x061c},   /* Arabic letter mark, which sets a direction */
      {0x115f, 0x1160},   /* fillers of Hangul, without a form */
      {0x17b4, 0x17b5},   /* vowels of Khmer, without a form */
      {0x180b, 0x180f},   /* variation selectors and a separator of Mongolian */
      {0x200b, 0x200f},   /* of no width: space, joiners, direction marks */
      {0x2028, 0x202e},   /* separators, direction embeddings and overrides */
      {0x2060, 0x206f},   /* of no width: joiner, operators, direction isolates */
      {0x3164, 0x3164},   /* filler of Hangul */
      {0xfe00, 0xfe0f},   /* variation selectors */
      {0xfeff, 0xfeff},   /* byte order mark */
      {0xffa0, 0xffa0},   /* filler of Hangul */
      {0xfff0, 0xfffb},   /* specials: annotations, unassigned */
      {0xfffe, 0xffff},   /* no characters */
      {0x1bca0, 0x1bca3}, /* of shorthand, without a form */
      {0x1d173, 0x1d17a}, /* of music, without a form */
      {0xe0000, 0xe0fff}, /* tags, variation selectors */
  };
  for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
    if (code_point >= hidden[i].first && code_point <= hidden[i].last) return false;
  }
  return true;
}

size_t utf8_whole_size(const char *bytes, size_t size) {
  for (size_t back = 1; back <= 3 && back <= size; back++) {
    unsigned char lead = (unsigned char)bytes[size - back];
    if ((lead & 0xc0) == 0x80) continue;
    size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    return length > back ? size - back : size;
  }
  return size;
}

/* Table 3-7 of Unicode: what may follow the first byte of a character. False: it is none. */
static bool begin_character(struct utf8_check *check, uint8_t lead) {
  check->lower = 0x80;
  check->upper = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    check->needed = 1;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    check->needed = 2;
    if (lead == 0xe0) check->lower = 0xa0; /* else overlong */
    if (lead == 0xed) check->upper = 0x9f; /* else a surrogate */
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    check->needed = 3;
    if (lead == 0xf0) check->lower = 0x90;
    if (lead == 0xf4) check->upper = 0x8f; /* else above U+10FFFF */
  } else {
    return false;
  }
  return true;
}

/* How many bytes at the start are ASCII, roughly: whole words of it. */
static size_t skip_ascii(const char *bytes, size_t size) {
  const uint64_t high_bits = UINT64_C(0x8080808080808080);
  uint64_t words[4];
  size_t i = 0;
  for (; size - i >= sizeof words; i += sizeof words) {
    memcpy(words, bytes + i, sizeof words);
    if ((words[0] | words[1] | words[2] | words[3]) & high_bits) break;
  }
  for (; size - i >= sizeof *words; i += sizeof *words) {
    memcpy(words, bytes + i, sizeof *words);
    if (words[0] & high_bits) break;
  }
  return i;
}

bool utf8_check(struct utf8_check *check, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = (uint8_t)bytes[i];
    if (check->needed > 0) {
      if (byte < check->lower || byte > check->upper) return false;
      check->lower = 0x80;
      check->upper = 0xbf;
      check->needed--;
    } else if (byte >= 0x80) {
      if (!begin_character(check, byte)) return false;
    } else {
      i += skip_ascii(bytes + i, size - i);
      if (i == size || (uint8_t)bytes[i] >= 0x80) i--; /* the loop looks at it */
    }
  }
  return true;
}

bool utf8_is_valid(const char *bytes, size_t size) {
  struct utf8_check check = {0};
  return utf8_check(&check, bytes, size) && utf8_check_ends(&check);
}
