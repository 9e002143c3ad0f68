/* base/http_state.h — a head that is being read. Shared by base/http_head.c, which reads lines, and
 * base/http_values.c, which reads what a field says. */
#pragma once

#include "base/http.h"

struct http_reading {
  const char *bytes;
  const char *end; /* of what may be looked at: no more than a head may have */
  const char *at;  /* a line begins here */
  struct http_head *head;
  bool response;

  /* What the fields said that matter here. */
  struct http_span host;      /* of the field Host */
  struct http_span authority; /* of a target in absolute form; empty in others */
  uint64_t length;
  unsigned hosts; /* how many fields there are of them */
  unsigned lengths;
  unsigned codings;
  unsigned upgrades;
  bool option_close; /* what Connection says */
  bool option_keep_alive;
  bool option_upgrade;
};

static inline struct http_span http_span_of(const struct http_reading *reading, const char *from,
                                            const char *to) {
  return (struct http_span){(uint32_t)(from - reading->bytes), (uint32_t)(to - from)};
}

/* What is wrong with "name", "name:port", "[IPv6]" or "[IPv6]:port"; NULL: nothing. */
const char *http_authority_fault(const char *value, size_t size);

/* Reads the value of a field that matters, and notes what it says. NULL where nobody cares, or
 * nothing is wrong; otherwise what is, and head->status is what to answer, if that is not 400. */
const char *http_known_fault(struct http_reading *reading, const char *name, size_t name_size,
                             const char *value, size_t size);
