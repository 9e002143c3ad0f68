/* vm/loader.c — a Lua source file, read whole and compiled — does not know what it is for. */
#include "vm/loader.h"

#include "vm/vm_state.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A descriptor of a regular file, or -1 with the reason in `error`. */
static int open_regular(const char *path, struct stat *status, char *error, size_t error_size) {
  /* O_NONBLOCK: opening a FIFO would wait for its writer. */
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    snprintf(error, error_size, "cannot be read: %s", strerror(errno));
    return -1;
  }
  if (fstat(fd, status) == 0 && S_ISREG(status->st_mode)) {
    if (status->st_size <= LOADER_BYTES_MAX) return fd;
    snprintf(error, error_size, "is larger than %d MiB: is it a Lua script?",
             LOADER_BYTES_MAX / (1024 * 1024));
  } else {
    snprintf(error, error_size, "is %s, not a file of Lua source",
             S_ISDIR(status->st_mode) ? "a directory" : "a device, pipe or socket");
  }
  close(fd);
  return -1;
}

/* The whole file; the caller frees it. NULL with the reason in `error`. */
static char *read_whole(int fd, size_t capacity, size_t *size, char *error, size_t error_size) {
  char *bytes = malloc(capacity + 1);
  if (!bytes) {
    snprintf(error, error_size, "cannot be read: not enough memory");
    return NULL;
  }
  *size = 0;
  while (*size < capacity) {
    ssize_t got = read(fd, bytes + *size, capacity - *size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      snprintf(error, error_size, "cannot be read: %s", strerror(errno));
      free(bytes);
      return NULL;
    }
    if (got == 0) break;
    *size += (size_t)got;
  }
  return bytes;
}

/* As Lua's own loader: without a byte order mark, and a first line that starts with # is empty. */
static const char *skip_prologue(const char *bytes, size_t *size) {
  if (*size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) {
    bytes += 3;
    *size -= 3;
  }
  if (*size == 0 || bytes[0] != '#') return bytes;
  const char *line_end = memchr(bytes, '\n', *size);
  size_t skipped = line_end ? (size_t)(line_end - bytes) : *size;
  *size -= skipped;
  return bytes + skipped;
}

void loader_note_source(lua_State *L, const char *path) {
  const struct vm_options *options = &vm_of(L)->options;
  if (options->on_source) options->on_source(options->context, path);
}

int loader_load(lua_State *L, const char *path) {
  char error[200];
  struct stat status = {0};
  loader_note_source(L, path);
  lua_pushfstring(L, "@%s", path); /* before anything that would leak if this raised */
  int fd = open_regular(path, &status, error, sizeof error);
  char *bytes = NULL;
  size_t size = 0;
  if (fd >= 0) {
    bytes = read_whole(fd, (size_t)status.st_size, &size, error, sizeof error);
    close(fd);
  }
  if (!bytes) {
    lua_pushfstring(L, "%s %s", path, error);
    lua_remove(L, -2);
    return LUA_ERRFILE;
  }
  const char *source = skip_prologue(bytes, &size);
  const char *mode = vm_of(L)->options.unsafe ? "bt" : "t";
  int rc = luaL_loadbufferx(L, source, size, lua_tostring(L, -1), mode);
  free(bytes);
  lua_remove(L, -2);
  return rc;
}
