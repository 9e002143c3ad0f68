/* net/output.h — what one connection still has to write, in order — does not know how it is written. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>

struct blob;
struct blob_account;
struct conn;
struct uv_buf_t;

/* A queue of byte ranges. Opaque; lent to a connection only while it has something to write, so an
 * idle connection has none. */
struct output;

/* Some that are empty. */
struct output_list {
  struct output *first;
  size_t count;
};

/* Keeps emptied outputs for the next connections that write. */
struct output_pool {
  struct output_list with_arena; /* a few, of which each has memory for what is copied */
  struct output_list bare;       /* for a broadcast, which is one copy for all */
  size_t
      loose_bytes; /* taken for copies since somebody set it to 0, and counted in no account yet */
};

void output_pool_init(struct output_pool *pool);
void output_pool_deinit(struct output_pool *pool);

/* NULL when memory is out. */
struct output *output_take(struct output_pool *pool);
/* Drops what is still queued. */
void output_give_back(struct output_pool *pool, struct output *output);

/* Each appends `size` bytes; false when memory is out, and then nothing was appended.
 * copy: the bytes may go away at once. borrow: they stay where they are until output_own() or until
 * they are consumed. share: the queue takes a reference of its own. */
bool output_copy(struct output *output, const char *bytes, size_t size);
bool output_borrow(struct output *output, const char *bytes, size_t size);
bool output_share(struct output *output, struct blob *blob, size_t size);
/* Whether it is as cheap to copy some bytes as to share them: memory for them is there. */
bool output_may_copy(const struct output *output);

/* What is queued will wait: copies what is still borrowed, and counts the memory behind all of it in
 * `account`, a blob that several outputs share once. False when memory is out; the queue is then
 * unchanged. */
bool output_own(struct output *output, struct blob_account *account);

size_t output_size(const struct output *output); /* bytes */

/* For its connection to fill in, while the peer is slower than the script. */
struct writing {
  struct list link; /* in loop->waiting */
  struct conn *conn;
  size_t size; /* bytes that the transport was given, and has not said that it wrote */
};
struct writing *output_writing(struct output *output);

/* Fills at most `max` buffers with the first bytes, at most `bytes_max` of them (but always at
 * least one byte when there is one): *total. Returns how many buffers. */
unsigned output_peek(const struct output *output, struct uv_buf_t *bufs, unsigned max,
                     size_t bytes_max, size_t *total);
/* Copies `size` bytes from `offset` on, which are there. */
void output_read(const struct output *output, size_t offset, size_t size, char *out);
void output_consume(struct output *output, size_t size);
