/* api/file.c — moonport.file: files beside the loop, which goes on while a disk works.
 *
 * Each call that waits has a deed (api/disk.h). An open file shares its descriptor with one deed at a
 * time; closed or collected meanwhile, it leaves the descriptor to that. */
#include "api/arguments.h"
#include "api/disk.h"
#include "api/errors.h"
#include "api/modules.h"
#include "api/runtime.h"
#include "api/values.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char type_name[] = "moonport.file";

enum {
  READ_BYTES_MAX = 16 * 1024 * 1024,
  NAMES_MAX = 100000,
  PIECE_BYTES = 65536,
  PIECE_BYTES_MAX = READ_BYTES_MAX,
};

/* The payload of a userdata "moonport.file". */
struct file_object {
  struct api_descriptor *descriptor; /* NULL: closed */
};

static int push_bytes(lua_State *L, const struct disk_job *job) {
  lua_pushlstring(L, job->bytes ? job->bytes : "", job->size);
  return 1;
}

static const char *kind_of(mode_t mode) {
  return S_ISREG(mode) ? "file" : S_ISDIR(mode) ? "directory" : "other";
}

static int push_status(lua_State *L, const struct stat *status) {
  enum { NS_PER_SECOND = 1000000000, PERMISSIONS = 07777 };
  lua_createtable(L, 0, 4);
  lua_pushstring(L, kind_of(status->st_mode));
  lua_setfield(L, -2, "kind");
  api_set_integer(L, "size", (uint64_t)status->st_size);
  api_set_integer(L, "mode", status->st_mode & PERMISSIONS);
  lua_pushnumber(L, (lua_Number)status->st_mtim.tv_sec +
                        (lua_Number)status->st_mtim.tv_nsec / NS_PER_SECOND);
  lua_setfield(L, -2, "modified");
  return 1;
}

static int push_names(lua_State *L, const struct disk_job *job) {
  lua_Integer count = 0;
  lua_newtable(L);
  for (const char *name = job->bytes; name < job->bytes + job->size; name += strlen(name) + 1) {
    lua_pushstring(L, name);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

static int push_opened(lua_State *L, struct disk_job *job) {
  struct file_object *file = lua_newuserdatauv(L, sizeof *file, 0);
  file->descriptor = NULL;
  luaL_setmetatable(L, type_name);
  file->descriptor = api_descriptor_new(job->fd);
  if (!file->descriptor) return luaL_error(L, "not enough memory");
  job->owns_fd = false;
  return 1;
}

/* nil, "eof" where a piece of a file was asked for, and there is none. */
static int push_piece(lua_State *L, const struct disk_job *job) {
  if (job->size > 0) return push_bytes(L, job);
  luaL_pushfail(L);
  lua_pushliteral(L, "eof");
  return 2;
}

static int push_result(lua_State *L, struct disk_job *job) {
  switch (job->deed) {
    case DISK_READ: return push_bytes(L, job);
    case DISK_GET: return push_piece(L, job);
    case DISK_STAT: return push_status(L, &job->status);
    case DISK_LIST: return push_names(L, job);
    case DISK_OPEN: return push_opened(L, job);
    default: return api_push_true(L);
  }
}

static int file_done(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct api_disk *disk = (struct api_disk *)context;
  struct disk_job *job = api_disk_job(disk);
  if (job->rc == 0) return push_result(L, job);
  if (api_disk_may_retry(L, disk)) return api_disk_wait(L, disk, context, file_done);
  return api_push_error(L, job->rc, job->path);
}

static int wait_for(lua_State *L, struct api_disk *disk) {
  return api_disk_wait(L, disk, (lua_KContext)disk, file_done);
}

/* A deed that reads the path of the first argument. */
static int begin_deed(lua_State *L, enum disk_deed deed, const char *call, size_t max) {
  int failed;
  const char *path = api_disk_path(L, 1, call, false, &failed);
  if (failed) return failed;
  struct api_disk *disk = api_push_disk(L, deed, path);
  api_disk_job(disk)->max = max;
  return wait_for(L, disk);
}

/* A copy of the bytes at `index`: the other thread may have it longer than the script lives. Raises. */
static void give_bytes(lua_State *L, struct disk_job *job, int index) {
  const char *bytes = luaL_checklstring(L, index, &job->size);
  job->bytes = malloc(job->size + 1);
  if (job->bytes) {
    memcpy(job->bytes, bytes, job->size);
  } else {
    luaL_error(L, "not enough memory");
  }
}

static size_t bytes_max(lua_State *L, int index, lua_Integer normal, lua_Integer most) {
  lua_Integer max = luaL_optinteger(L, index, normal);
  luaL_argcheck(L, max > 0 && max <= most, index, "must be 1 or more bytes, and not as many");
  return (size_t)max;
}

/* file.read(path [, max]) -> string | nil, code, detail */
static int l_read(lua_State *L) {
  enum { SOME_LIMIT = 1 << 30 };
  api_check_count(L, 2, NULL);
  return begin_deed(L, DISK_READ, "file.read", bytes_max(L, 2, READ_BYTES_MAX, SOME_LIMIT));
}

static int begin_put(lua_State *L, enum disk_deed deed, const char *call) {
  int failed;
  api_check_count(L, 2, NULL);
  luaL_checkstring(L, 2);
  const char *path = api_disk_path(L, 1, call, true, &failed);
  if (failed) return failed;
  struct api_disk *disk = api_push_disk(L, deed, path);
  give_bytes(L, api_disk_job(disk), 2);
  return wait_for(L, disk);
}

/* file.write(path, data) -> true | nil, code, detail */
static int l_write(lua_State *L) {
  return begin_put(L, DISK_WRITE, "file.write");
}

/* file.append(path, data) -> true | nil, code, detail */
static int l_append(lua_State *L) {
  return begin_put(L, DISK_APPEND, "file.append");
}

/* file.stat(path) -> { kind, size, mode, modified } | nil, code, detail */
static int l_stat(lua_State *L) {
  api_check_count(L, 1, NULL);
  return begin_deed(L, DISK_STAT, "file.stat", 0);
}

/* file.list(path) -> list of names | nil, code, detail */
static int l_list(lua_State *L) {
  api_check_count(L, 1, NULL);
  return begin_deed(L, DISK_LIST, "file.list", NAMES_MAX);
}

static int check_mode(lua_State *L, int index) {
  static const struct {
    const char *name;
    int flags;
  } modes[] = {
      {"r", O_RDONLY}, {"w", O_WRONLY | O_CREAT | O_TRUNC}, {"a", O_WRONLY | O_CREAT | O_APPEND},
      {"r+", O_RDWR},  {"w+", O_RDWR | O_CREAT | O_TRUNC},  {"a+", O_RDWR | O_CREAT | O_APPEND}};
  char name[4];
  const char *given = luaL_optstring(L, index, "r");
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    snprintf(name, sizeof name, "%sb", modes[i].name);
    /* The "b" of io.open() means nothing here, either. */
    if (strcmp(given, modes[i].name) == 0 || strcmp(given, name) == 0) return modes[i].flags;
  }
  return luaL_argerror(L, index, "\"r\", \"w\", \"a\", \"r+\", \"w+\" or \"a+\" expected");
}

/* file.open(path [, mode]) -> file | nil, code, detail */
static int l_open(lua_State *L) {
  int failed;
  api_check_count(L, 2, NULL);
  int flags = check_mode(L, 2);
  const char *path = api_disk_path(L, 1, "file.open", flags != O_RDONLY, &failed);
  if (failed) return failed;
  struct api_disk *disk = api_push_disk(L, DISK_OPEN, path);
  api_disk_job(disk)->flags = flags;
  return wait_for(L, disk);
}

static struct file_object *check_file(lua_State *L) {
  return luaL_checkudata(L, 1, type_name);
}

/* file:read([max]) -> string | nil, "eof" | nil, code, detail */
static int l_file_read(lua_State *L) {
  struct file_object *file = check_file(L);
  api_check_count(L, 2, NULL);
  size_t max = bytes_max(L, 2, PIECE_BYTES, PIECE_BYTES_MAX);
  if (!file->descriptor) return api_push_closed(L);
  struct api_disk *disk = api_push_disk_of(L, DISK_GET, file->descriptor);
  api_disk_job(disk)->max = max;
  return wait_for(L, disk);
}

/* file:write(data) -> true | nil, code, detail */
static int l_file_write(lua_State *L) {
  struct file_object *file = check_file(L);
  api_check_count(L, 2, NULL);
  luaL_checkstring(L, 2);
  if (!file->descriptor) return api_push_closed(L);
  struct api_disk *disk = api_push_disk_of(L, DISK_PUT, file->descriptor);
  give_bytes(L, api_disk_job(disk), 2);
  return wait_for(L, disk);
}

static void file_close(struct file_object *file) {
  api_descriptor_let_go(file->descriptor);
  file->descriptor = NULL;
}

/* file:close() -> true */
static int l_file_close(lua_State *L) {
  struct file_object *file = check_file(L);
  api_check_count(L, 1, NULL);
  file_close(file);
  return api_push_true(L);
}

static int l_file_gc(lua_State *L) {
  file_close(check_file(L));
  return 0;
}

static const luaL_Reg file_methods[] = {
    {"read", l_file_read}, {"write", l_file_write}, {"close", l_file_close}, {NULL, NULL}};

const struct api_type api_file_type = {
    .name = type_name, .methods = file_methods, .finalizer = l_file_gc, .closer = "close"};
const luaL_Reg api_file_functions[] = {{"read", l_read}, {"write", l_write}, {"append", l_append},
                                       {"stat", l_stat}, {"list", l_list},   {"open", l_open},
                                       {NULL, NULL}};
