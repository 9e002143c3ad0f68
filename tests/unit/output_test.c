/* output_test.c — the queue of one connection: order, consuming, and who keeps the bytes. */
#include "check.h"

#include "base/blob.h"
#include "net/output.h"

#include <stdlib.h>
#include <uv.h>

enum { MAX = 64 };

/* What is queued, read through the buffers that the kernel would get. */
static void check_queued(const struct output *output, const char *expected) {
  char bytes[256] = "";
  uv_buf_t bufs[MAX];
  size_t size = 0;
  size_t total;
  unsigned count = output_peek(output, bufs, MAX, sizeof bytes, &total);
  for (unsigned i = 0; i < count; i++) {
    memcpy(bytes + size, bufs[i].base, bufs[i].len);
    size += bufs[i].len;
  }
  bytes[size] = '\0';
  CHECK_NUMBER(total, size);
  CHECK_TEXT(bytes, expected);
  CHECK_NUMBER(output_size(output), strlen(expected));
}

static void keeps_the_order_of_all_kinds(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct output *output = output_take(&pool);
  struct blob *blob = blob_new(8);
  memcpy(blob->bytes, "shared..", 8);
  char passing[] = "copied ";
  CHECK(output_copy(output, passing, 7));
  memset(passing, 'x', 7); /* the sender's memory is its own again */
  CHECK(output_copy(output, "and ", 4));
  CHECK(output_share(output, blob, 6));
  CHECK(output_borrow(output, " borrowed", 9));
  CHECK(output_copy(output, " last", 5));
  blob_unref(blob);
  check_queued(output, "copied and shared borrowed last");
  output_give_back(&pool, output);
  output_pool_deinit(&pool);
}

/* Byte by byte, so that each range begins and ends everywhere. */
static void consumes_from_the_front(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct output *output = output_take(&pool);
  const char *all = "onetwothree";
  CHECK(output_borrow(output, "one", 3));
  CHECK(output_copy(output, "two", 3));
  CHECK(output_borrow(output, "three", 5));
  for (size_t i = 0; i < 11; i++) {
    check_queued(output, all + i);
    output_consume(output, 1);
  }
  check_queued(output, "");
  CHECK(output_copy(output, "again", 5));
  check_queued(output, "again");
  output_give_back(&pool, output);
  output_pool_deinit(&pool);
}

static void reads_any_part(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct output *output = output_take(&pool);
  const char *all = "abcdefghij";
  CHECK(output_borrow(output, "abc", 3));
  CHECK(output_borrow(output, "defg", 4));
  CHECK(output_borrow(output, "hij", 3));
  for (size_t from = 0; from < 10; from++) {
    for (size_t size = 1; from + size <= 10; size++) {
      char part[11] = "";
      output_read(output, from, size, part);
      CHECK(memcmp(part, all + from, size) == 0);
    }
  }
  output_give_back(&pool, output);
  output_pool_deinit(&pool);
}

static void owns_what_was_borrowed(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct output *output = output_take(&pool);
  struct blob_account account = {0};
  char lent[] = "lent";
  char more[] = "more";
  CHECK(output_copy(output, "own ", 4));
  CHECK(output_borrow(output, lent, 4));
  CHECK(output_borrow(output, more, 4));
  CHECK(output_own(output, &account));
  memset(lent, 'x', 4);
  memset(more, 'x', 4);
  check_queued(output, "own lentmore");
  CHECK(account.bytes >= 12);
  size_t charged = account.bytes;
  CHECK(output_own(output, &account)); /* once is enough */
  CHECK_NUMBER(account.bytes, charged);
  output_consume(output, 12);
  output_give_back(&pool, output);
  CHECK_NUMBER(account.bytes, 0);
  output_pool_deinit(&pool);
}

/* A broadcast that waits with ten is memory once, until the last has gone. */
static void counts_a_shared_blob_once(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct blob_account above = {0};
  struct blob_account account = {.above = &above};
  struct output *outputs[10];
  struct blob *blob = blob_new(1000);
  memset(blob->bytes, 'b', 1000);
  for (int i = 0; i < 10; i++) {
    outputs[i] = output_take(&pool);
    CHECK(output_share(outputs[i], blob, 1000));
    CHECK(output_own(outputs[i], &account));
  }
  blob_unref(blob);
  CHECK_NUMBER(account.bytes, 1000);
  CHECK_NUMBER(above.bytes, 1000);
  for (int i = 0; i < 10; i++) {
    CHECK_NUMBER(account.bytes, 1000);
    output_give_back(&pool, outputs[i]);
  }
  CHECK_NUMBER(account.bytes, 0);
  CHECK_NUMBER(above.bytes, 0);
  output_pool_deinit(&pool);
}

static void bounds_what_is_offered_at_once(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct output *output = output_take(&pool);
  uv_buf_t bufs[MAX];
  size_t total;
  for (int i = 0; i < 10; i++) CHECK(output_borrow(output, "12345", 5));
  CHECK_NUMBER(output_peek(output, bufs, 3, 1000, &total), 3);
  CHECK_NUMBER(output_peek(output, bufs, MAX, 12, &total), 3);
  CHECK_NUMBER(total, 12);
  CHECK_NUMBER(bufs[2].len, 2);
  CHECK_NUMBER(output_peek(output, bufs, MAX, 1000, &total), 10);
  output_give_back(&pool, output);
  output_pool_deinit(&pool);
}

/* Many ranges come while others go: the array moves to its front, and grows. */
static void goes_on_while_it_is_consumed(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct output *output = output_take(&pool);
  char letters[26];
  for (int i = 0; i < 26; i++) letters[i] = (char)('a' + i);
  size_t in = 0;
  size_t out = 0;
  while (in < 3000) {
    for (int i = 0; i < 7; i++) CHECK(output_borrow(output, &letters[in++ % 26], 1));
    for (int i = 0; i < 6; i++) {
      char byte = 0;
      output_read(output, 0, 1, &byte);
      CHECK_NUMBER(byte, letters[out++ % 26]);
      output_consume(output, 1);
    }
  }
  CHECK_NUMBER(output_size(output), in - out);
  output_give_back(&pool, output); /* too long an array to be kept */
  CHECK(!pool.with_arena.first && !pool.bare.first);
  output_pool_deinit(&pool);
}

static void keeps_a_bounded_number_of_small_ones(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct output *outputs[100];
  for (int i = 0; i < 100; i++) {
    outputs[i] = output_take(&pool);
    CHECK(output_copy(outputs[i], "small", 5));
  }
  char *large = calloc(1, 100000);
  CHECK(output_copy(outputs[0], large, 100000));
  CHECK(pool.loose_bytes >= 100000);
  free(large);
  for (int i = 0; i < 100; i++) output_give_back(&pool, outputs[i]);
  CHECK_NUMBER(pool.with_arena.count, 64);
  CHECK_NUMBER(pool.bare.count, 36);
  struct output *again = output_take(&pool);
  CHECK_NUMBER(output_size(again), 0);
  CHECK(output_may_copy(again));
  CHECK_NUMBER(pool.with_arena.count, 63);
  output_give_back(&pool, again);
  output_pool_deinit(&pool);
  CHECK(!pool.with_arena.first && !pool.bare.first);
}

/* A broadcast to a crowd: what is made for it is kept, and has no memory for copies. */
static void keeps_a_thousand_bare_ones(void) {
  struct output_pool pool;
  output_pool_init(&pool);
  struct output *outputs[1200];
  struct blob *blob = blob_new(4);
  memcpy(blob->bytes, "blob", 4);
  for (int i = 0; i < 1200; i++) {
    outputs[i] = output_take(&pool);
    CHECK(!output_may_copy(outputs[i]) && output_share(outputs[i], blob, 4));
  }
  for (int i = 0; i < 1200; i++) output_give_back(&pool, outputs[i]);
  CHECK_NUMBER(blob->references, 1);
  CHECK_NUMBER(pool.with_arena.count, 0);
  CHECK_NUMBER(pool.bare.count, 1024);
  blob_unref(blob);
  output_pool_deinit(&pool);
}

static const struct check_case cases[] = {
    {"copied, shared and borrowed bytes stay in order", keeps_the_order_of_all_kinds},
    {"bytes are consumed from the front, across ranges", consumes_from_the_front},
    {"any part can be read", reads_any_part},
    {"what was borrowed is copied before its owner goes", owns_what_was_borrowed},
    {"what many share is counted once, until the last has gone", counts_a_shared_blob_once},
    {"buffers and bytes offered at once have bounds", bounds_what_is_offered_at_once},
    {"a queue that never empties keeps its order", goes_on_while_it_is_consumed},
    {"the pool keeps a few, and no large ones", keeps_a_bounded_number_of_small_ones},
    {"of those that only share it keeps a thousand", keeps_a_thousand_bare_ones},
};

CHECK_MAIN(cases)
