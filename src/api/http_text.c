/* api/http_text.c — bytes that are put together, in memory that is used again. Knows no HTTP. */
#include "api/http_text.h"

#include "api/runtime.h"
#include "base/grow.h"
#include "base/text.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY_FIRST = 1024, CAPACITY_KEPT_MAX = 64 * 1024 };

struct http_text *http_text_of(lua_State *L, struct runtime *runtime) {
  struct http_text *text = runtime->http_text;
  if (!text) text = runtime->http_text = calloc(1, sizeof *text);
  if (!text) {
    luaL_error(L, "not enough memory");
    return NULL; /* never: it raised */
  }
  text->size = 0;
  if (text->capacity <= CAPACITY_KEPT_MAX) return text;
  free(text->bytes);
  *text = (struct http_text){0};
  return text;
}

void http_text_grow(lua_State *L, struct http_text *text, size_t more) {
  if (!grow_bytes(&text->bytes, &text->capacity, text->size + more, CAPACITY_FIRST)) {
    luaL_error(L, "not enough memory");
  }
}

void http_text_add_number(lua_State *L, struct http_text *text, uint64_t number) {
  char digits[TEXT_DIGITS_MAX];
  http_text_add(L, text, digits, text_format_number(number, 1, digits));
}

void http_text_add_hex(lua_State *L, struct http_text *text, uint64_t number) {
  char digits[TEXT_DIGITS_MAX];
  int size = snprintf(digits, sizeof digits, "%llx", (unsigned long long)number);
  http_text_add(L, text, digits, (size_t)size);
}

void http_text_free(struct http_text *text) {
  if (text) free(text->bytes);
  free(text);
}
