/* base/room.h — the shape of memory that bytes are read into. Knows nobody who reads.
 *
 * What Lua has in front of a long string's bytes and behind them fits around those that were read, so
 * that they become a string where they are (vm_push_read() in vm/vm.h). */
#pragma once

enum {
  ROOM_HEAD = 24, /* in front, nobody uses them */
  ROOM_BYTES = 64 * 1024,
  ROOM_TAIL = 8,
  ROOM_SIZE = ROOM_HEAD + ROOM_BYTES + ROOM_TAIL, /* of what malloc() gave */
};
