/* vm/loader.c — a Lua source file, read whole and compiled — does not know what it is for. */
#include "vm/loader.h"

#include "base/file.h"
#include "base/home.h"
#include "vm/syntax_hint.h"
#include "vm/vm_state.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Why file_open_regular() refused, as what follows the path. */
static void say_refusal(int rc, char *error, size_t error_size) {
  switch (-rc) {
    case EISDIR: snprintf(error, error_size, "is a directory, not a file of Lua source"); break;
    case ENXIO:
      snprintf(error, error_size, "is a device, pipe or socket, not a file of Lua source");
      break;
    case EFBIG:
      snprintf(error, error_size, "is larger than %d MiB: is it a Lua script?",
               LOADER_BYTES_MAX / (1024 * 1024));
      break;
    default: snprintf(error, error_size, "cannot be read: %s", strerror(-rc));
  }
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

void loader_note_source(lua_State *L, const char *path, const char *bytes, size_t size) {
  const struct vm_options *options = &vm_of(L)->options;
  options->on_source(options->context, path, bytes, size);
}

void loader_note_shortage(lua_State *L, int error) {
  const struct vm_options *options = &vm_of(L)->options;
  options->on_shortage(options->context, error);
}

static char *copy_text(const char *text, size_t size, int *rc) {
  char *copy = malloc(size + 1);
  if (copy) memcpy(copy, text, size);
  *rc = copy ? 0 : -ENOMEM;
  return copy;
}

/* The caller frees it. NULL: with a negative errno in *rc. */
static char *read_source(lua_State *L, const char *path, size_t *size, int *rc) {
  const struct vm_options *options = &vm_of(L)->options;
  const char *text = options->find_text ? options->find_text(options->context, path, size) : NULL;
  if (text) return copy_text(text, *size, rc);
  struct home_visit visit;
  home_enter(options->home, &visit);
  char *bytes = file_read(path, LOADER_BYTES_MAX, size, rc);
  home_leave(options->home, &visit);
  return bytes;
}

int loader_load(lua_State *L, const char *path) {
  char error[200];
  int rc = 0; /* a negative errno */
  size_t size = 0;
  lua_pushfstring(L, "@%s", path); /* before anything that would leak if this raised */
  char *bytes = read_source(L, path, &size, &rc);
  if (!bytes && vm_free_descriptors(L, -rc)) bytes = read_source(L, path, &size, &rc);
  if (bytes || !file_error_is_passing(-rc)) {
    loader_note_source(L, path, bytes, size);
  } else {
    loader_note_shortage(L, -rc);
  }
  if (!bytes) {
    say_refusal(rc, error, sizeof error);
    lua_pushfstring(L, "%s %s", path, error);
    lua_remove(L, -2);
    return LUA_ERRFILE;
  }
  const char *source = skip_prologue(bytes, &size);
  const char *mode = vm_of(L)->options.unsafe ? "bt" : "t";
  rc = luaL_loadbufferx(L, source, size, lua_tostring(L, -1), mode);
  const char *hint = rc == LUA_ERRSYNTAX ? syntax_hint(lua_tostring(L, -1), source, size) : NULL;
  free(bytes);
  if (hint) {
    lua_pushfstring(L, "%s: %s", lua_tostring(L, -1), hint);
    lua_remove(L, -2);
  }
  lua_remove(L, -2);
  return rc;
}
