/* vm/blocks.c — blocks of memory, and lists of small ones that are free. Knows no Lua. */
#include "vm/blocks.h"

#include <stdlib.h>

struct vm_block {
  struct vm_block *next;
};

/* Of a block of `size` bytes; BLOCK_CLASSES: of none, it is the C library's. */
static size_t class_of(const struct vm_blocks *blocks, size_t size) {
  if (blocks->keeps_small && size <= BLOCK_SMALL_MAX) return (size + 7) / BLOCK_STEP;
  return size >= BLOCK_ROOM_MIN && size <= ROOM_SIZE ? BLOCK_ROOM : BLOCK_CLASSES;
}

/* Small ones end where glibc's own steps do: 8, 24, 40. */
static size_t bytes_of(size_t class, size_t size) {
  if (class < BLOCK_ROOM) return class * BLOCK_STEP + 8;
  return class == BLOCK_ROOM ? (size_t)ROOM_SIZE : size;
}

void *vm_block_take(struct vm_blocks *blocks, size_t size) {
  size_t class = class_of(blocks, size);
  struct vm_block *block = class < BLOCK_CLASSES ? blocks->free[class] : NULL;
  if (!block) return malloc(bytes_of(class, size));
  blocks->free[class] = block->next;
  blocks->free_bytes -= bytes_of(class, size);
  return block;
}

void vm_block_give(struct vm_blocks *blocks, void *memory, size_t size) {
  struct vm_block *block = memory;
  size_t class = class_of(blocks, size);
  if (class == BLOCK_CLASSES || blocks->free_bytes >= blocks->free_bytes_max) {
    free(block);
    return;
  }
  block->next = blocks->free[class];
  blocks->free[class] = block;
  blocks->free_bytes += bytes_of(class, size);
}

void *vm_block_resize(struct vm_blocks *blocks, void *block, size_t size, size_t new_size) {
  size_t class = class_of(blocks, new_size);
  if (class < BLOCK_CLASSES && class == class_of(blocks, size)) return block;
  return realloc(block, bytes_of(class, new_size));
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
