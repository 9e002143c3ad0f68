/* vm/blocks.h — blocks of memory, and lists of small ones that are free. Knows no Lua.
 *
 * What a handler makes is garbage when it has ended. The collector frees much of it at once, which is
 * more than the C library keeps at hand for the next handlers, and they are warm. */
#pragma once

#include "base/room.h"

#include <stdbool.h>
#include <stddef.h>

enum {
  BLOCK_STEP = 16,
  BLOCK_SMALL_MAX = 1024,
  BLOCK_SMALL_CLASSES = BLOCK_SMALL_MAX / BLOCK_STEP + 1,
  BLOCK_ROOM = BLOCK_SMALL_CLASSES, /* see base/room.h; what is somewhat smaller may be one, too */
  BLOCK_CLASSES,
  BLOCK_ROOM_MIN = 60 * 1024,
};

struct vm_block;

struct vm_blocks {
  struct vm_block *free[BLOCK_CLASSES]; /* each list is of one size */
  size_t free_bytes;                    /* of all of them */
  size_t free_bytes_max;
  bool keeps_small; /* else each of them is the C library's, in the size asked for */
};

/* As malloc(), free() and realloc(); sizes are those that were asked for, and not 0. */
void *vm_block_take(struct vm_blocks *blocks, size_t size);
void vm_block_give(struct vm_blocks *blocks, void *memory, size_t size);
void *vm_block_resize(struct vm_blocks *blocks, void *block, size_t size, size_t new_size);
/* The C library has all of them again. */
void vm_blocks_trim(struct vm_blocks *blocks);
