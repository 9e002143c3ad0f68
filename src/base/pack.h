/* base/pack.h — how many bytes a format of string.unpack() takes, while they come. Knows no Lua. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What is wrong with a format, for streams have no alignment: NULL, or a static text; `least` is how many
 * bytes it takes at least. */
const char *pack_check(const char *format, size_t *least);

/* How far one is; zeroed at the start. So no byte is looked at twice, however slowly they come. */
struct pack_walk {
  size_t at;        /* in the bytes: where the item begins */
  size_t scanned;   /* of them: in that far the end of a "z" is not */
  size_t format_at; /* where the item stands in the format */
  bool is_big;      /* the last of "<", ">" and "=" */
};

enum pack_result { PACK_WHOLE, PACK_MORE, PACK_TOO_LONG };

/* Of a format that was checked. PACK_WHOLE: walk->at bytes are all of it. */
enum pack_result pack_go_on(struct pack_walk *walk, const char *format, const char *bytes,
                            size_t size, size_t max);
