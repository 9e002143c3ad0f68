/* blocks_test.c — blocks keep their bytes, whatever size they get; what is free is bounded. */
#include "check.h"

#include "vm/blocks.h"

#include <stdint.h>
#include <stdlib.h>

enum { KEPT = 4096, COUNT = 64, ROUNDS = 20000, SIZE_MAX_TRIED = 2 * BLOCK_SMALL_MAX };

struct held {
  unsigned char *bytes;
  size_t size;
  unsigned char mark;
};

static size_t free_count(const struct vm_blocks *blocks) {
  size_t count = 0;
  for (size_t class = 0; class < BLOCK_CLASSES; class ++) count += blocks->free[class] != NULL;
  return count;
}

static void fill(struct held *held, size_t from) {
  for (size_t i = from; i < held->size; i++) held->bytes[i] = held->mark;
}

static bool is_whole(const struct held *held, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (held->bytes[i] != held->mark) return false;
  }
  return true;
}

/* Takes, resizes and gives in a random order, which is the same each time. */
static void exercise(bool keeps_small) {
  struct vm_blocks blocks = {.free_bytes_max = KEPT, .keeps_small = keeps_small};
  struct held all[COUNT] = {0};
  uint32_t random = 1;
  for (unsigned i = 0; i < ROUNDS; i++) {
    random = random * 1103515245u + 12345u;
    struct held *held = &all[random >> 16 & (COUNT - 1)];
    size_t size = 1 + (random >> 8) % SIZE_MAX_TRIED;
    if (held->bytes) CHECK(is_whole(held, held->size));
    if (!held->bytes) {
      *held = (struct held){vm_block_take(&blocks, size), size, (unsigned char)i};
      fill(held, 0);
    } else if (random & 1u << 31) {
      size_t before = held->size;
      held->bytes = vm_block_resize(&blocks, held->bytes, before, size);
      held->size = size;
      CHECK(is_whole(held, before < size ? before : size));
      fill(held, before < size ? before : size);
    } else {
      vm_block_give(&blocks, held->bytes, held->size);
      held->bytes = NULL;
    }
    CHECK(blocks.free_bytes < KEPT + BLOCK_SMALL_MAX + BLOCK_STEP);
  }
  if (!keeps_small) CHECK_NUMBER(free_count(&blocks), 0);
  for (size_t i = 0; i < COUNT; i++) {
    if (all[i].bytes) vm_block_give(&blocks, all[i].bytes, all[i].size);
  }
  vm_blocks_trim(&blocks);
  CHECK_NUMBER(blocks.free_bytes, 0);
  CHECK_NUMBER(free_count(&blocks), 0);
}

static void keeps_their_bytes(void) {
  exercise(true);
}

static void keeps_none_when_none_are_to_be_kept(void) {
  exercise(false);
}

static void gives_the_last_one_again(void) {
  struct vm_blocks blocks = {.free_bytes_max = KEPT, .keeps_small = true};
  void *first = vm_block_take(&blocks, 40);
  void *second = vm_block_take(&blocks, 40);
  vm_block_give(&blocks, first, 40);
  vm_block_give(&blocks, second, 40);
  CHECK(vm_block_take(&blocks, 25) == second); /* of one size with 40, for the C library */
  CHECK(vm_block_take(&blocks, 40) == first);
  vm_block_give(&blocks, first, 40);
  vm_block_give(&blocks, second, 25);
  vm_blocks_trim(&blocks);
}

static const struct check_case cases[] = {
    {"blocks keep their bytes", keeps_their_bytes},
    {"with nothing to be kept each block is the C library's", keeps_none_when_none_are_to_be_kept},
    {"the block that was given last is taken first", gives_the_last_one_again},
};

CHECK_MAIN(cases)
