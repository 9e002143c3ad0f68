/* vm/blocks.c — blocks of memory, and lists of small ones that are free. Knows no Lua. */
#include "vm/blocks.h"

#include <stdbool.h>
#include <stdlib.h>

struct vm_block {
  struct vm_block *next;
};

/* Sizes that glibc's own steps end at: 8, 24, 40. */
static size_t class_of(size_t size) {
  return (size + 7) / BLOCK_STEP;
}

static size_t bytes_of(size_t class) {
  return class * BLOCK_STEP + 8;
}

static bool is_small(const struct vm_blocks *blocks, size_t size) {
  return size <= BLOCK_SMALL_MAX && blocks->free_bytes_max > 0;
}

void *vm_block_take(struct vm_blocks *blocks, size_t size) {
  if (!is_small(blocks, size)) return malloc(size);
  size_t class = class_of(size);
  struct vm_block *block = blocks->free[class];
  if (!block) return malloc(bytes_of(class));
  blocks->free[class] = block->next;
  blocks->free_bytes -= bytes_of(class);
  return block;
}

void vm_block_give(struct vm_blocks *blocks, void *memory, size_t size) {
  struct vm_block *block = memory;
  if (!is_small(blocks, size) || blocks->free_bytes >= blocks->free_bytes_max) {
    free(block);
    return;
  }
  size_t class = class_of(size);
  block->next = blocks->free[class];
  blocks->free[class] = block;
  blocks->free_bytes += bytes_of(class);
}

void *vm_block_resize(struct vm_blocks *blocks, void *block, size_t size, size_t new_size) {
  if (!is_small(blocks, new_size)) return realloc(block, new_size);
  size_t class = class_of(new_size);
  return size <= BLOCK_SMALL_MAX && class == class_of(size) ? block
                                                            : realloc(block, bytes_of(class));
}

void vm_blocks_trim(struct vm_blocks *blocks) {
  for (size_t class = 0; class < BLOCK_CLASSES; class ++) {
    while (blocks->free[class]) {
      struct vm_block *block = blocks->free[class];
      blocks->free[class] = block->next;
      free(block);
    }
  }
  blocks->free_bytes = 0;
}
