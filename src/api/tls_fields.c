/* api/tls_fields.c — conn.tls: what both sides agreed on, and who the peer is. */
#include "api/conn.h"

#include "api/values.h"
#include "net/conn_tls.h"
#include "net/tls/certificate.h"

#include <lauxlib.h>

static void set_text(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text); /* nil for NULL */
  lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static int push_certificate(lua_State *L) {
  const struct certificate *certificate = lua_touserdata(L, 1);
  lua_createtable(L, 0, 6);
  set_text(L, "subject", certificate->subject);
  set_text(L, "issuer", certificate->issuer);
  set_text(L, "serial", certificate->serial);
  set_text(L, "sha256", certificate->sha256);
  api_set_integer(L, "not_after", (uint64_t)certificate->not_after);
  lua_createtable(L, (int)certificate->name_count, 0);
  for (size_t i = 0; i < certificate->name_count; i++) {
    lua_pushstring(L, certificate->names[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "names");
  return 1;
}

/* Its texts are no Lua values yet, and memory may run out. */
static void set_peer(lua_State *L, struct x509_st *peer) {
  struct certificate certificate;
  if (!peer) return;
  lua_pushcfunction(L, push_certificate);
  if (!certificate_read(peer, &certificate)) luaL_error(L, "not enough memory");
  lua_pushlightuserdata(L, &certificate);
  int rc = lua_pcall(L, 1, 1, 0);
  certificate_deinit(&certificate);
  if (rc != LUA_OK) lua_error(L);
  lua_setfield(L, -2, "peer_certificate");
}

void api_push_tls_facts(lua_State *L, const struct conn_tls *tls) {
  lua_createtable(L, 0, 7);
  set_text(L, "version", tls->version);
  set_text(L, "cipher", tls->cipher);
  set_text(L, "name", tls->name);
  set_flag(L, "resumed", tls->is_resumed);
  set_flag(L, "truncated", tls->is_truncated);
  if (tls->alpn) {
    lua_pushlstring(L, tls->alpn, tls->alpn_size);
    lua_setfield(L, -2, "alpn");
  }
  set_peer(L, tls->peer);
}

void api_push_tls(lua_State *L, const struct api_conn *self) {
  struct conn_tls tls;
  if (self->conn && conn_tls(self->conn, &tls) && tls.version) {
    api_push_tls_facts(L, &tls);
  } else {
    lua_pushnil(L);
  }
}
