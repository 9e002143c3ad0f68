/* api/assets.c — moonport.assets: the files that the program carries, for the parts of it that are written
 * in Lua. Knows none of them. */
#include "base/assets.h"
#include "api/modules.h"
#include "base/file.h"
#include "vm/vm.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { PATH_BYTES = 4096, FILE_BYTES_MAX = 4 * 1024 * 1024, WITH_GZIP = MAX_WBITS + 16 };

static const struct asset *find_asset(const char *name) {
  const struct asset *asset = assets;
  while (asset->name && strcmp(asset->name, name) != 0) asset++;
  return asset->name ? asset : NULL;
}

/* Pushes the file below the directory that takes the program's place, or nil. Raises. */
static int push_file(lua_State *L, const char *directory, const char *name) {
  char path[PATH_BYTES];
  size_t size;
  int rc;
  snprintf(path, sizeof path, "%s/%s", directory, name);
  char *bytes = file_read(path, FILE_BYTES_MAX, &size, &rc);
  if (!bytes) return lua_pushnil(L), 1;
  char *out = lua_newuserdatauv(L, size + 1, 0); /* so that nothing leaks when memory is out */
  memcpy(out, bytes, size);
  free(bytes);
  lua_pushlstring(L, out, size);
  return 1;
}

/* Raises. */
static int push_unpacked(lua_State *L, const struct asset *asset) {
  luaL_Buffer out;
  char *place = luaL_buffinitsize(L, &out, asset->size + 1);
  z_stream stream = {.next_in = (Bytef *)(uintptr_t)asset->packed,
                     .avail_in = (uInt)asset->packed_size,
                     .next_out = (Bytef *)place,
                     .avail_out = (uInt)asset->size + 1};
  bool is_whole = inflateInit2(&stream, WITH_GZIP) == Z_OK;
  if (is_whole) {
    is_whole = inflate(&stream, Z_FINISH) == Z_STREAM_END;
    inflateEnd(&stream);
  }
  if (!is_whole) return luaL_error(L, "not enough memory");
  luaL_pushresultsize(&out, stream.total_out);
  return 1;
}

/* assets.read(name): the file's text; nil: there is none. */
static int l_read(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const char *directory = vm_lua_dir(L);
  if (directory) return push_file(L, directory, name);
  const struct asset *asset = find_asset(name);
  if (!asset) return lua_pushnil(L), 1;
  return push_unpacked(L, asset);
}

/* assets.packed(name): the same, compressed as gzip does it; nil: there is none, or it stands on disk. */
static int l_packed(lua_State *L) {
  const struct asset *asset = find_asset(luaL_checkstring(L, 1));
  if (!asset || vm_lua_dir(L)) return lua_pushnil(L), 1;
  lua_pushlstring(L, (const char *)asset->packed, asset->packed_size);
  return 1;
}

/* assets.names(prefix): which there are, in their order. */
static int l_names(lua_State *L) {
  const char *prefix = luaL_checkstring(L, 1);
  const size_t size = strlen(prefix);
  lua_Integer count = 0;
  lua_newtable(L);
  for (const struct asset *asset = assets; asset->name; asset++) {
    if (strncmp(asset->name, prefix, size) != 0) continue;
    lua_pushstring(L, asset->name);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

const luaL_Reg api_assets_functions[] = {
    {"read", l_read},
    {"packed", l_packed},
    {"names", l_names},
    {NULL, NULL},
};
