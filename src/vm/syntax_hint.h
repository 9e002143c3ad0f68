/* vm/syntax_hint.h — what other languages write where Lua's compiler stopped. Knows text, not Lua's state. */
#pragma once

#include <stddef.h>

/* Of the compiler's message ("chat.lua:3: '}' expected near 'on_open'") about `source`: what to write
 * instead, as the end of that sentence; or NULL. Static text. */
const char *syntax_hint(const char *message, const char *source, size_t size);
