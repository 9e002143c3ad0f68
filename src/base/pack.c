/* base/pack.c — how many bytes a format of string.unpack() takes, while they come. Knows no Lua.
 *
 * The letters are those of Lua 5.4 (manual, section 6.4.2) but for "!" and "X": bytes of a stream have no
 * place that could be aligned. */
#include "base/pack.h"

#include <stdint.h>
#include <string.h>

enum { INTEGER_BYTES_MAX = 16 };

enum kind { ORDER, FIXED, COUNTED, UP_TO_ZERO };

/* One letter, with its number. */
struct item {
  enum kind kind;
  size_t size; /* COUNTED: of the length */
  char letter;
};

/* The number at *at, or `standard` where none is. Larger ones than memory can have stay as they are. */
static size_t read_number(const char **at, size_t standard) {
  if (**at < '0' || **at > '9') return standard;
  size_t number = 0;
  for (; **at >= '0' && **at <= '9'; ++*at) {
    if (number < SIZE_MAX / 32) number = number * 10 + (size_t)(**at - '0');
  }
  return number;
}

static const char *read_integer(const char **at, struct item *item, size_t standard) {
  item->size = read_number(at, standard);
  bool is_right = item->size >= 1 && item->size <= INTEGER_BYTES_MAX;
  return is_right ? NULL : "an integer has 1 to 16 bytes";
}

/* Reads the item at *at. What is wrong with it, or NULL. */
static const char *read_item(const char **at, struct item *item) {
  *item = (struct item){.kind = FIXED, .letter = *(*at)++};
  switch (item->letter) {
    case 'b':
    case 'B':
    case 'x': item->size = 1; return NULL;
    case 'h':
    case 'H': item->size = sizeof(short); return NULL;
    case 'l':
    case 'L': item->size = sizeof(long); return NULL;
    case 'j':
    case 'J': item->size = sizeof(int64_t); return NULL;
    case 'T': item->size = sizeof(size_t); return NULL;
    case 'f': item->size = sizeof(float); return NULL;
    case 'd':
    case 'n': item->size = sizeof(double); return NULL;
    case 'i':
    case 'I': return read_integer(at, item, sizeof(int));
    case 's': item->kind = COUNTED; return read_integer(at, item, sizeof(size_t));
    case 'z': item->kind = UP_TO_ZERO; return NULL;
    case ' ':
    case '<':
    case '>':
    case '=': item->kind = ORDER; return NULL;
    case 'c':
      item->size = read_number(at, SIZE_MAX);
      return item->size == SIZE_MAX ? "'c' needs a number of bytes behind it" : NULL;
    case '!':
    case 'X': return "a stream has no alignment: leave out '!' and 'X'";
    default: return "it is no format of string.unpack";
  }
}

const char *pack_check(const char *format, size_t *least) {
  struct item item;
  for (*least = 0; *format;) {
    const char *fault = read_item(&format, &item);
    if (fault) return fault;
    size_t size = item.kind == UP_TO_ZERO ? 1 : item.size;
    *least = size > SIZE_MAX - *least ? SIZE_MAX : *least + size;
  }
  return NULL;
}

static bool native_is_big(void) {
  const uint16_t one = 1;
  return *(const unsigned char *)&one == 0;
}

/* Of a length that is larger than any, SIZE_MAX. */
static size_t read_length(const char *bytes, size_t size, bool is_big) {
  size_t length = 0;
  for (size_t i = 0; i < size; i++) {
    if (length > SIZE_MAX >> 8) return SIZE_MAX;
    length = length << 8 | (unsigned char)bytes[is_big ? i : size - 1 - i];
  }
  return length;
}

/* Where the item ends: *end. */
static enum pack_result find_end(struct pack_walk *walk, const struct item *item, const char *bytes,
                                 size_t size, size_t max, size_t *end) {
  if (item->size > max - walk->at) return PACK_TOO_LONG;
  *end = walk->at + item->size;
  if (*end > size) return PACK_MORE;
  if (item->kind == COUNTED) {
    size_t length = read_length(bytes + walk->at, item->size, walk->is_big);
    if (length > max - *end) return PACK_TOO_LONG;
    *end += length;
  } else if (item->kind == UP_TO_ZERO) {
    size_t from = walk->scanned > walk->at ? walk->scanned : walk->at;
    const char *zero = memchr(bytes + from, '\0', size - from);
    walk->scanned = size;
    *end = zero ? (size_t)(zero - bytes) + 1 : size + 1;
    if (*end > max) return PACK_TOO_LONG;
  }
  return *end > size ? PACK_MORE : PACK_WHOLE;
}

enum pack_result pack_go_on(struct pack_walk *walk, const char *format, const char *bytes,
                            size_t size, size_t max) {
  if (walk->format_at == 0 && walk->at == 0) walk->is_big = native_is_big();
  while (format[walk->format_at]) {
    struct item item;
    const char *next = format + walk->format_at;
    size_t end = walk->at;
    (void)read_item(&next, &item);
    if (item.kind != ORDER) {
      enum pack_result result = find_end(walk, &item, bytes, size, max, &end);
      if (result != PACK_WHOLE) return result;
    } else if (item.letter != ' ') {
      walk->is_big = item.letter == '>' || (item.letter == '=' && native_is_big());
    }
    walk->at = end;
    walk->format_at = (size_t)(next - format);
  }
  return PACK_WHOLE;
}
