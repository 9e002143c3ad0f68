/* api/disk.h — a deed on files that a coroutine waits for, for api/ only. */
#pragma once

#include "api/wait.h"
#include "base/disk.h"

#include <lua.h>
#include <stdbool.h>

/* The payload of a userdata. */
struct api_disk {
  struct api_disk_deed *deed; /* goes on although the coroutine is gone; NULL: memory was out */
  struct api_wait wait;
};

/* An open file, of which a deed that is under way has a part. */
struct api_descriptor;
struct api_descriptor *
api_descriptor_new(int fd); /* NULL: memory is out, and `fd` is the caller's */
void api_descriptor_let_go(struct api_descriptor *descriptor); /* NULL is allowed */

/* Pushes one, of which only `path` is filled in: NULL for a deed on a descriptor. Raises. */
struct api_disk *api_push_disk(lua_State *L, enum disk_deed deed, const char *path);
/* The same on an open file. Raises, also while another deed on it is under way. */
struct api_disk *api_push_disk_of(lua_State *L, enum disk_deed deed,
                                  struct api_descriptor *descriptor);
struct disk_job *api_disk_job(const struct api_disk *disk);
/* Begins it, and comes to `k` with `context` when it is done. Raises. */
int api_disk_wait(lua_State *L, struct api_disk *disk, lua_KContext context, lua_KFunction k);
/* True when it failed for want of a descriptor, and can be begun once more. Raises. */
bool api_disk_may_retry(lua_State *L, const struct api_disk *disk);
/* The path at `index`, if the script may use it so; else pushes nil, code, detail: *failed is how many,
 * and 0 otherwise. Raises. */
const char *api_disk_path(lua_State *L, int index, const char *call, bool writes, int *failed);
