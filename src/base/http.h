/* base/http.h — heads and bodies of HTTP/1.0 and 1.1 (RFC 9112), read strictly. Allocates nothing,
 * and does not know where the bytes come from.
 *
 * What is not said in exactly one way is refused, and so is everything that two readers could read
 * differently: whoever stands between us and the peer must not see other requests than we do.
 *
 *   struct http_head head;
 *   switch (http_read_request(&limits, &scanned, bytes, size, &head)) {
 *     case HTTP_HEAD: ...    the head is bytes[0 .. head.size), the body begins behind it
 *     case HTTP_MORE: ...    append what comes, and ask again
 *     case HTTP_REFUSED: ... head.status and head.fault say how to answer, and that is the end
 *   }
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  HTTP_FIELDS_MAX = 100, /* of one head */
  HTTP_HEAD_BYTES_DEFAULT = 16384,
  HTTP_METHOD_BYTES_MAX = 32,
  HTTP_CHUNK_LINE_BYTES_MAX = 256,  /* a chunk's size with its extensions, which nobody uses */
  HTTP_EXTENSION_BYTES_MAX = 16384, /* of all chunks of a body together */
  HTTP_TRAILER_BYTES_MAX = 8192,
};

/* Some bytes of a head; they stay where they are. */
struct http_span {
  uint32_t at;
  uint32_t size;
};

/* How the end of a body is known. */
enum http_framing {
  HTTP_NO_BODY,
  HTTP_BY_LENGTH, /* body_size bytes */
  HTTP_CHUNKED,
  HTTP_BY_CLOSE, /* of a response: until the peer's FIN */
};

struct http_head {
  size_t size;    /* with the empty line that ends it, and the one that may stand before it */
  unsigned minor; /* of HTTP/1.x: 0 or 1 */
  struct http_span method; /* of a request */
  struct http_span target; /* as it was sent: "/path?query", "http://host/path" or "*" */
  struct http_span reason; /* of a response */
  struct http_span fields; /* all field lines, each with its CRLF */
  unsigned field_count;
  unsigned status;   /* of a response; of a request that is refused: what to answer, 400 to 505 */
  const char *fault; /* of what is refused: a sentence, static */
  enum http_framing framing;
  uint64_t body_size;
  bool keeps_alive;      /* the connection goes on behind it, by its version and its fields */
  bool expects_continue; /* of a request: it waits for 100 (Continue) before it sends its body */
  bool upgrades;         /* Connection has "upgrade", and there is a field Upgrade */
};

struct http_limits {
  size_t head_bytes_max; /* taken for UINT32_MAX where it is more */
};

enum http_result { HTTP_HEAD, HTTP_MORE, HTTP_REFUSED };

/* Reads the head at the start of `bytes`. *scanned is how far earlier calls have looked for its
 * end: 0 for a new one, kept by the caller while it only appends, 0 again with HTTP_HEAD: so a head
 * that comes in single bytes costs no more than one that comes at once. A byte that may stand nowhere is
 * refused at once, a line that is wrong when it is whole, what lines say against each other at the
 * head's end, and a head that is too long as soon as it is. `*head` is filled with HTTP_HEAD; with
 * HTTP_REFUSED only its status and fault count. */
enum http_result http_read_request(const struct http_limits *limits, size_t *scanned,
                                   const char *bytes, size_t size, struct http_head *head);
/* The same of a response. `to_head`: what was asked for with HEAD has no body, whatever its fields
 * say. */
enum http_result http_read_response(const struct http_limits *limits, size_t *scanned,
                                    const char *bytes, size_t size, bool to_head,
                                    struct http_head *head);

/* The target's path and query, neither decoded: "/path" and "query" of "/path?query", without a "?"
 * no query (false). A target without a path has an empty one: "*" and "http://host". */
bool http_split_target(const char *bytes, const struct http_head *head, struct http_span *path,
                       struct http_span *query);

/* The next field of a head, with blanks around its value cut off; false behind the last one. *at is
 * 0 at first. */
bool http_next_field(const char *bytes, const struct http_head *head, size_t *at,
                     struct http_span *name, struct http_span *value);
/* The first field of that name, which is in lower case, behind *at: to be asked again for more of
 * them. */
bool http_find_field(const char *bytes, const struct http_head *head, size_t *at, const char *name,
                     size_t name_size, struct http_span *value);
/* Whether a field that is a list of tokens (Connection, Upgrade, …) has this one, in any case. */
bool http_field_has(const char *bytes, const struct http_head *head, const char *name,
                    const char *token);

/* For who writes heads: what a name and a value may consist of. */
bool http_is_token(const char *bytes, size_t size);
bool http_is_value(const char *bytes, size_t size); /* no control characters but HTAB */
/* "Not Found"; "" of one that nobody knows. Static text. */
const char *http_reason(unsigned status);

/* --- Bodies -------------------------------------------------------------------------------- */

/* Where in a body the reader is; made by http_body_begin(), copied as one likes. */
struct http_body {
  enum http_framing framing;
  uint8_t state;
  uint8_t candidates;  /* bits: which of the names that no trailer may have this one can still be */
  uint16_t line_bytes; /* of the chunk's line, or of the trailer, so far */
  uint16_t name_bytes; /* of a trailer's name, so far */
  uint16_t extension_bytes;
  uint64_t left; /* of the length, or of the chunk at hand */
  const char *fault;
};

enum http_body_result {
  HTTP_BODY_DATA,   /* `data` is not empty */
  HTTP_BODY_MORE,   /* all of the bytes are used up */
  HTTP_BODY_END,    /* behind `used` begins what comes after it */
  HTTP_BODY_BROKEN, /* body->fault says why; where it ends nobody knows */
};

void http_body_begin(struct http_body *body, const struct http_head *head);
/* Looks at `size` new bytes of it. *used of them are done with; with HTTP_BODY_DATA, *data_size
 * bytes at *data, which are among them, belong to the body. */
enum http_body_result http_body_read(struct http_body *body, const char *bytes, size_t size,
                                     size_t *used, const char **data, size_t *data_size);
