/* api/disk.c — a deed on files that a coroutine waits for: begun in another thread, which it outlives.
 * Does not know what it is for. */
#include "api/disk.h"

#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "net/work.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static const char type_name[] = "moonport.file.deed";

/* What the other thread has. Freed when both it and the userdata are done with it. */
struct api_disk_deed {
  struct disk_job job;
  struct api_disk *disk;             /* NULL: nobody wants to know any more */
  struct api_descriptor *descriptor; /* its part of an open file; NULL: none */
  bool is_under_way;
};

struct api_descriptor {
  int fd;
  unsigned holders;
  bool is_busy;
};

struct api_descriptor *api_descriptor_new(int fd) {
  struct api_descriptor *descriptor = malloc(sizeof *descriptor);
  if (descriptor) *descriptor = (struct api_descriptor){.fd = fd, .holders = 1};
  return descriptor;
}

void api_descriptor_let_go(struct api_descriptor *descriptor) {
  if (!descriptor || --descriptor->holders > 0) return;
  close(descriptor->fd);
  free(descriptor);
}

static void deed_leave_file(struct api_disk_deed *deed) {
  if (!deed->descriptor) return;
  deed->descriptor->is_busy = false;
  api_descriptor_let_go(deed->descriptor);
  deed->descriptor = NULL;
}

static void deed_free(struct api_disk_deed *deed) {
  deed_leave_file(deed);
  disk_job_deinit(&deed->job);
  free(deed);
}

static void deed_run(void *context) {
  struct api_disk_deed *deed = context;
  disk_do(&deed->job);
}

/* The userdata may be collected when the coroutine has run. */
static void deed_on_done(void *context) {
  struct api_disk_deed *deed = context;
  deed->is_under_way = false;
  deed_leave_file(deed);
  if (deed->disk) {
    api_wait_wake(&deed->disk->wait);
  } else {
    deed_free(deed);
  }
}

static int l_disk_gc(lua_State *L) {
  struct api_disk *disk = luaL_checkudata(L, 1, type_name);
  api_wait_forget(&disk->wait);
  if (!disk->deed) return 0; /* memory ran out while it was made */
  disk->deed->disk = NULL;
  if (!disk->deed->is_under_way) deed_free(disk->deed);
  disk->deed = NULL;
  return 0;
}

struct api_disk *api_push_disk(lua_State *L, enum disk_deed deed, const char *path) {
  runtime_check_alive(L);
  struct api_disk *disk = lua_newuserdatauv(L, sizeof *disk, 0);
  memset(disk, 0, sizeof *disk);
  luaL_setmetatable(L, type_name);
  disk->deed = calloc(1, sizeof *disk->deed);
  if (!disk->deed) {
    luaL_error(L, "not enough memory");
    return NULL; /* never */
  }
  *disk->deed = (struct api_disk_deed){.job = {.deed = deed, .fd = -1, .at = -1}, .disk = disk};
  if (path && !(disk->deed->job.path = strdup(path))) luaL_error(L, "not enough memory");
  return disk;
}

struct api_disk *api_push_disk_of(lua_State *L, enum disk_deed deed,
                                  struct api_descriptor *descriptor) {
  if (descriptor->is_busy) luaL_error(L, "another coroutine already waits for this file");
  struct api_disk *disk = api_push_disk(L, deed, NULL);
  disk->deed->job.fd = descriptor->fd;
  disk->deed->descriptor = descriptor;
  descriptor->holders++;
  descriptor->is_busy = true;
  return disk;
}

struct disk_job *api_disk_job(const struct api_disk *disk) {
  return &disk->deed->job;
}

int api_disk_wait(lua_State *L, struct api_disk *disk, lua_KContext context, lua_KFunction k) {
  api_wait_begin(L, &disk->wait, 0, "a file");
  int rc = net_work(runtime_of(L)->loop, deed_run, deed_on_done, disk->deed);
  if (rc < 0) {
    api_wait_forget(&disk->wait);
    return luaL_error(L, "not enough memory");
  }
  disk->deed->is_under_way = true;
  return vm_wait(L, context, k);
}

bool api_disk_may_retry(lua_State *L, const struct api_disk *disk) {
  return vm_free_descriptors(L, -disk->deed->job.rc);
}

const char *api_disk_path(lua_State *L, int index, const char *call, bool writes, int *failed) {
  size_t size;
  const char *path = luaL_checklstring(L, index, &size);
  *failed = 3;
  if (strlen(path) != size) {
    (void)api_push_failure(L, "EINVAL", "the path contains a NUL byte");
  } else if (vm_may_open(L, call, path, writes)) {
    *failed = 0;
  } else {
    (void)api_push_denied(L);
  }
  return path;
}

const struct api_type api_disk_type = {.name = type_name, .finalizer = l_disk_gc};
