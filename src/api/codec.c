/* api/codec.c — moonport.codec: bytes as text and back, digests, random bytes.
 *
 * Decoders take exactly what encoders give; of anything else they say at which byte it is wrong. */
#include "api/codec.h"

#include "api/arguments.h"
#include "api/modules.h"
#include "base/base64.h"
#include "base/percent.h"
#include "base/platform.h"
#include "net/tls/hash.h"
#include "vm/watchdog.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum {
  RANDOM_BYTES_MAX = 1024 * 1024,
  ENTROPY_BYTES_MAX = 256, /* of one platform_random() */
};

/* The one argument. Raises. */
static const char *check_only(lua_State *L, size_t *size) {
  api_check_count(L, 1, NULL);
  return luaL_checklstring(L, 1, size);
}

/* --- Encodings ------------------------------------------------------------------------------- */

typedef size_t (*encoder)(const char *bytes, size_t size, char *out);
typedef ssize_t (*decoder)(const char *text, size_t size, char *out);

/* Pushes what becomes of the one argument, of at most `out_size` bytes. */
static int encode(lua_State *L, encoder function, size_t out_size, size_t size, const char *bytes) {
  luaL_Buffer out;
  char *place = luaL_buffinitsize(L, &out, out_size);
  luaL_pushresultsize(&out, function(bytes, size, place));
  return 1;
}

static int decode(lua_State *L, decoder function, const char *name, size_t out_size, size_t size,
                  const char *text) {
  luaL_Buffer out;
  char *place = luaL_buffinitsize(L, &out, out_size);
  ssize_t decoded = function(text, size, place);
  luaL_pushresultsize(&out, decoded < 0 ? 0 : (size_t)decoded);
  if (decoded >= 0) return 1;
  luaL_pushfail(L);
  lua_pushfstring(
      L, (size_t)-decoded > size ? "the %s ends too soon: byte %I is missing" : "no %s at byte %I",
      name, (lua_Integer)-decoded);
  return 2;
}

/* codec.base64.encode(bytes) -> text */
static int l_base64_encode(lua_State *L) {
  size_t size;
  const char *bytes = check_only(L, &size);
  return encode(L, base64_encode, BASE64_SIZE(size), size, bytes);
}

/* codec.base64.decode(text) -> bytes | nil, fault */
static int l_base64_decode(lua_State *L) {
  size_t size;
  const char *text = check_only(L, &size);
  return decode(L, base64_decode, "base64", BASE64_DECODED_SIZE_MAX(size), size, text);
}

/* codec.base64url.encode(bytes) -> text */
static int l_base64url_encode(lua_State *L) {
  size_t size;
  const char *bytes = check_only(L, &size);
  return encode(L, base64url_encode, BASE64_SIZE(size), size, bytes);
}

/* codec.base64url.decode(text) -> bytes | nil, fault */
static int l_base64url_decode(lua_State *L) {
  size_t size;
  const char *text = check_only(L, &size);
  return decode(L, base64url_decode, "base64url", BASE64_DECODED_SIZE_MAX(size), size, text);
}

static size_t encode_hex(const char *bytes, size_t size, char *out) {
  hex_encode(bytes, size, out);
  return 2 * size;
}

/* codec.hex.encode(bytes) -> text */
static int l_hex_encode(lua_State *L) {
  size_t size;
  const char *bytes = check_only(L, &size);
  return encode(L, encode_hex, 2 * size, size, bytes);
}

/* codec.hex.decode(text) -> bytes | nil, fault */
static int l_hex_decode(lua_State *L) {
  size_t size;
  const char *text = check_only(L, &size);
  return decode(L, hex_decode, "hex", size / 2, size, text);
}

/* --- Addresses of the web -------------------------------------------------------------------- */

size_t api_push_decoded(lua_State *L, const char *text, size_t size, unsigned how) {
  luaL_Buffer out;
  if (!memchr(text, '%', size) && !(how & PERCENT_PLUS && memchr(text, '+', size))) {
    lua_pushlstring(L, text, size);
    return 0;
  }
  char *place = luaL_buffinitsize(L, &out, size);
  ssize_t decoded = percent_decode(text, size, how, place);
  luaL_pushresultsize(&out, decoded < 0 ? 0 : (size_t)decoded);
  if (decoded >= 0) return 0;
  lua_pop(L, 1);
  return (size_t)-decoded;
}

static int push_fault(lua_State *L, size_t byte) {
  luaL_pushfail(L);
  lua_pushfstring(L, "a %% without two hexadecimal digits at byte %I", (lua_Integer)byte);
  return 2;
}

/* codec.url.encode(bytes) -> text */
static int l_url_encode(lua_State *L) {
  size_t size;
  const char *bytes = check_only(L, &size);
  return encode(L, percent_encode, 3 * size, size, bytes);
}

/* codec.url.decode(text) -> bytes | nil, fault */
static int l_url_decode(lua_State *L) {
  size_t size;
  const char *text = check_only(L, &size);
  size_t fault = api_push_decoded(L, text, size, 0);
  return fault ? push_fault(L, fault) : 1;
}

/* Pushes name and value of one parameter; the byte that is wrong, or 0. */
static size_t push_parameter(lua_State *L, const char *text, size_t size, unsigned how) {
  const char *equals = memchr(text, '=', size);
  size_t name_size = equals ? (size_t)(equals - text) : size;
  size_t value_at = equals ? name_size + 1 : size;
  size_t fault = api_push_decoded(L, text, name_size, how | PERCENT_PLUS);
  if (fault) return fault;
  fault = api_push_decoded(L, text + value_at, size - value_at, how | PERCENT_PLUS);
  return fault ? value_at + fault : 0;
}

/* What is done with each name and value on top of the table, which it takes away. */
typedef void (*parameter_setter)(lua_State *L, lua_Integer number);

static void set_last(lua_State *L, lua_Integer number) {
  (void)number;
  lua_rawset(L, -3);
}

static void append_pair(lua_State *L, lua_Integer number) {
  lua_createtable(L, 2, 0);
  lua_insert(L, -3);
  lua_rawseti(L, -3, 2);
  lua_rawseti(L, -2, 1);
  lua_rawseti(L, -2, number);
}

/* Pushes a table of all parameters; or nil and what is wrong. */
static int push_parameters(lua_State *L, const char *text, size_t size, unsigned how,
                           parameter_setter set) {
  lua_Integer number = 0;
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  for (size_t at = 0, piece; at < size; at += piece + 1) {
    const char *end = memchr(text + at, '&', size - at);
    piece = end ? (size_t)(end - text) - at : size - at;
    if (piece == 0) continue;
    size_t fault = push_parameter(L, text + at, piece, how);
    if (fault) return push_fault(L, at + fault);
    set(L, ++number);
  }
  return 1;
}

void api_push_query(lua_State *L, const char *text, size_t size) {
  push_parameters(L, text, size, PERCENT_LENIENT, set_last);
}

/* codec.query.decode(text) -> { name = value } | nil, fault; the last one of a name wins */
static int l_query_decode(lua_State *L) {
  size_t size;
  const char *text = check_only(L, &size);
  return push_parameters(L, text, size, 0, set_last);
}

/* codec.query.list(text) -> { { name, value }, … } | nil, fault */
static int l_query_list(lua_State *L) {
  size_t size;
  const char *text = check_only(L, &size);
  return push_parameters(L, text, size, 0, append_pair);
}

/* --- Digests --------------------------------------------------------------------------------- */

static int push_digest(lua_State *L, const unsigned char *digest, size_t size, const char *error) {
  if (size == 0) return luaL_error(L, "%s", error);
  lua_pushlstring(L, (const char *)digest, size);
  return 1;
}

static int digest(lua_State *L, enum hash hash) {
  unsigned char out[HASH_BYTES_MAX];
  char error[256];
  size_t size;
  const char *bytes = check_only(L, &size);
  return push_digest(L, out, hash_of(hash, bytes, size, out, error, sizeof error), error);
}

/* codec.sha1(bytes), codec.sha256(bytes), codec.sha512(bytes) -> digest, in bytes */
static int l_sha1(lua_State *L) {
  return digest(L, HASH_SHA1);
}

static int l_sha256(lua_State *L) {
  return digest(L, HASH_SHA256);
}

static int l_sha512(lua_State *L) {
  return digest(L, HASH_SHA512);
}

static enum hash check_hash(lua_State *L, int index) {
  const char *name = luaL_checkstring(L, index);
  for (int hash = 0; hash < HASH_COUNT; hash++) {
    if (strcmp(name, hash_names[hash]) == 0) return (enum hash)hash;
  }
  lua_pushfstring(L, "unknown digest '%s' (known: sha1, sha256, sha512)", name);
  return (enum hash)luaL_argerror(L, index, lua_tostring(L, -1));
}

/* codec.hmac(digest, key, bytes) -> bytes */
static int l_hmac(lua_State *L) {
  unsigned char out[HASH_BYTES_MAX];
  char error[256];
  size_t size;
  struct hash_key key;
  enum hash hash = check_hash(L, 1);
  key.bytes = luaL_checklstring(L, 2, &key.size);
  const char *bytes = luaL_checklstring(L, 3, &size);
  api_check_count(L, 3, NULL);
  size_t out_size = hash_with_key(hash, key, bytes, size, out, error, sizeof error);
  return push_digest(L, out, out_size, error);
}

/* codec.crc32(bytes [, before]) -> number */
static int l_crc32(lua_State *L) {
  size_t size;
  const char *bytes = luaL_checklstring(L, 1, &size);
  lua_Integer before = luaL_optinteger(L, 2, 0);
  api_check_count(L, 2, NULL);
  luaL_argcheck(L, before >= 0 && before <= UINT32_MAX, 2, "is no result of crc32");
  lua_pushinteger(L, (lua_Integer)crc32_z((uLong)before, (const Bytef *)bytes, size));
  return 1;
}

/* --- Secrets --------------------------------------------------------------------------------- */

/* codec.random(count) -> bytes that nobody can guess */
static int l_random(lua_State *L) {
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_Buffer out;
  api_check_count(L, 1, NULL);
  luaL_argcheck(L, count >= 0 && count <= RANDOM_BYTES_MAX, 1, "must be 0 to 1048576 bytes");
  char *place = luaL_buffinitsize(L, &out, (size_t)count);
  for (size_t at = 0, piece; at < (size_t)count; at += piece) {
    size_t left = (size_t)count - at;
    piece = left < ENTROPY_BYTES_MAX ? left : ENTROPY_BYTES_MAX;
    if (platform_random(place + at, piece, true) < 0)
      return luaL_error(L, "random: %s", strerror(errno));
  }
  luaL_pushresultsize(&out, (size_t)count);
  return 1;
}

/* codec.equal(a, b) -> boolean; how long it takes tells nothing of where they differ */
static int l_equal(lua_State *L) {
  size_t size, other_size;
  const char *one = luaL_checklstring(L, 1, &size);
  const char *other = luaL_checklstring(L, 2, &other_size);
  api_check_count(L, 2, NULL);
  volatile unsigned char difference = size != other_size;
  for (size_t i = 0; i < size && size == other_size; i++) {
    difference = (unsigned char)(difference | (one[i] ^ other[i]));
  }
  lua_pushboolean(L, difference == 0);
  return 1;
}

/* codec.xor(bytes, key) -> bytes; the key is repeated */
static int l_xor(lua_State *L) {
  size_t size, key_size;
  luaL_Buffer out;
  const char *bytes = luaL_checklstring(L, 1, &size);
  const char *key = luaL_checklstring(L, 2, &key_size);
  api_check_count(L, 2, NULL);
  luaL_argcheck(L, key_size > 0, 2, "must not be empty");
  char *place = luaL_buffinitsize(L, &out, size);
  for (size_t i = 0, k = 0; i < size; i++) {
    place[i] = (char)(bytes[i] ^ key[k]);
    if (++k == key_size) k = 0;
  }
  luaL_pushresultsize(&out, size);
  return 1;
}

/* --- The module ------------------------------------------------------------------------------ */

static const luaL_Reg base64[] = {
    {"encode", l_base64_encode}, {"decode", l_base64_decode}, {NULL, NULL}};
static const luaL_Reg base64url[] = {
    {"encode", l_base64url_encode}, {"decode", l_base64url_decode}, {NULL, NULL}};
static const luaL_Reg hex[] = {{"encode", l_hex_encode}, {"decode", l_hex_decode}, {NULL, NULL}};
static const luaL_Reg url[] = {{"encode", l_url_encode}, {"decode", l_url_decode}, {NULL, NULL}};
static const luaL_Reg query[] = {{"decode", l_query_decode}, {"list", l_query_list}, {NULL, NULL}};

/* Adds a table of two functions to the module on top. */
static void add_codec(lua_State *L, const char *name, const luaL_Reg *functions) {
  char prefix[24];
  snprintf(prefix, sizeof prefix, "codec.%s.", name);
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  vm_watchdog_name(L, prefix, functions);
  lua_setfield(L, -2, name);
}

int api_complete_codec(lua_State *L) {
  add_codec(L, "base64", base64);
  add_codec(L, "base64url", base64url);
  add_codec(L, "hex", hex);
  add_codec(L, "url", url);
  add_codec(L, "query", query);
  return 1;
}

const luaL_Reg api_codec_functions[] = {
    {"sha1", l_sha1},   {"sha256", l_sha256}, {"sha512", l_sha512},
    {"hmac", l_hmac},   {"crc32", l_crc32},   {"random", l_random},
    {"equal", l_equal}, {"xor", l_xor},       {NULL, NULL},
};
