/* api/http_text.h — where heads of answers are put together, and what is known of an answer. For the
 * http files of api/ only. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct runtime;

struct http_text {
  size_t size;
  size_t capacity;
  char *bytes;
};

/* The runtime's, empty; whoever fills it must have sent it before anybody else's code runs. Raises when
 * memory is out, as all of these. */
struct http_text *http_text_of(lua_State *L, struct runtime *runtime);
void http_text_grow(lua_State *L, struct http_text *text, size_t more);
void http_text_add_number(lua_State *L, struct http_text *text, uint64_t number);
void http_text_add_hex(lua_State *L, struct http_text *text, uint64_t number);
void http_text_free(struct http_text *text); /* NULL is allowed */

static inline void http_text_add(lua_State *L, struct http_text *text, const char *bytes,
                                 size_t size) {
  if (text->capacity - text->size < size) http_text_grow(L, text, size);
  __builtin_memcpy(text->bytes + text->size, bytes, size);
  text->size += size;
}
