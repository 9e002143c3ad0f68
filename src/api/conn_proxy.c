/* api/conn_proxy.c — conn.via and conn.proxy: what the proxy in front of us said; and what we say as one,
 * socket.connect(address, { proxy_protocol = … }). */
#include "api/conn.h"

#include "api/errors.h"
#include "api/modules.h"
#include "api/values.h"
#include "base/address.h"
#include "base/proxy_header.h"
#include "net/conn_proxy.h"

#include <lauxlib.h>
#include <string.h>
#include <uv.h>

/* --- In ---------------------------------------------------------------------------------------- */

void api_push_via(lua_State *L, const struct api_conn *self) {
  char text[ADDRESS_TEXT_MAX];
  socklen_t size;
  const struct sockaddr *via = self->conn ? conn_via(self->conn, &size) : NULL;
  if (via) {
    address_from_sockaddr(via, size, text, sizeof text);
    lua_pushstring(L, text);
  } else {
    lua_pushnil(L);
  }
}

static void set_bytes(lua_State *L, const char *name, const struct proxy_tlv *tlv) {
  lua_pushlstring(L, tlv->bytes, tlv->size);
  lua_setfield(L, -2, name);
}

static void set_field(lua_State *L, const char *name, const char *tlvs, size_t size,
                      unsigned type) {
  struct proxy_tlv tlv;
  if (proxy_tlv_find(tlvs, size, type, &tlv)) set_bytes(L, name, &tlv);
}

static void set_ssl(lua_State *L, const struct proxy_header *header) {
  struct proxy_tlv tlv;
  struct proxy_ssl ssl;
  if (!proxy_tlv_find(header->tlvs, header->tlvs_size, PROXY_TLV_SSL, &tlv)) return;
  if (!proxy_ssl_read(&tlv, &ssl) || !ssl.is_used) return;
  lua_createtable(L, 0, 4);
  lua_pushboolean(L, ssl.is_verified);
  lua_setfield(L, -2, "verified");
  set_field(L, "version", ssl.tlvs, ssl.tlvs_size, PROXY_TLV_SSL_VERSION);
  set_field(L, "cipher", ssl.tlvs, ssl.tlvs_size, PROXY_TLV_SSL_CIPHER);
  set_field(L, "cn", ssl.tlvs, ssl.tlvs_size, PROXY_TLV_SSL_CN);
  lua_setfield(L, -2, "ssl");
}

/* Each by its number, as it came: those of AWS, Azure and Google, and one's own. */
static void set_numbered(lua_State *L, const struct proxy_header *header) {
  const char *tlvs = header->tlvs;
  size_t size = header->tlvs_size;
  struct proxy_tlv tlv;
  while (proxy_tlv_next(&tlvs, &size, &tlv)) {
    const bool is_again = lua_rawgeti(L, -1, (lua_Integer)tlv.type) != LUA_TNIL;
    lua_pop(L, 1);
    if (is_again) continue;
    lua_pushlstring(L, tlv.bytes, tlv.size);
    lua_rawseti(L, -2, (lua_Integer)tlv.type);
  }
}

static void set_reached(lua_State *L, const struct proxy_header *header) {
  char ip[IP_TEXT_MAX];
  if (!header->has_ends) return;
  ip_format(&header->reached.ip, ip);
  lua_pushfstring(L, strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, (int)header->reached.port);
  lua_setfield(L, -2, "destination");
}

void api_push_proxy(lua_State *L, const struct api_conn *self) {
  const struct proxy_header *header = self->conn ? conn_proxy_header(self->conn) : NULL;
  if (!header) {
    lua_pushnil(L);
    return;
  }
  lua_createtable(L, 0, 6);
  api_set_integer(L, "version", header->version);
  set_reached(L, header);
  set_field(L, "authority", header->tlvs, header->tlvs_size, PROXY_TLV_AUTHORITY);
  set_field(L, "alpn", header->tlvs, header->tlvs_size, PROXY_TLV_ALPN);
  set_field(L, "unique_id", header->tlvs, header->tlvs_size, PROXY_TLV_UNIQUE_ID);
  set_ssl(L, header);
  set_numbered(L, header);
}

/* --- Out --------------------------------------------------------------------------------------- */

static bool is_conn(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA) return false;
  if (luaL_getmetafield(L, index, "__name") == LUA_TNIL) return false;
  const bool is =
      lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "moonport.conn") == 0;
  lua_pop(L, 1);
  return is;
}

/* The address that the table at `index` has under `name`; false: it has none of the internet in numbers. */
static bool read_end(lua_State *L, int index, const char *name, struct sockaddr_storage *out) {
  struct address address;
  socklen_t size;
  char error[512];
  const bool is_text = lua_getfield(L, index, name) == LUA_TSTRING;
  const bool is_read =
      is_text && strlen(lua_tostring(L, -1)) == lua_rawlen(L, -1) &&
      address_parse(lua_tostring(L, -1), "127.0.0.1", &address, error, sizeof error) == 0 &&
      address.kind == ADDRESS_TCP && address_numeric(&address, out, &size) == 0;
  lua_pop(L, 1);
  return is_read;
}

/* core.proxy_misuse(from) -> nil, or what is wrong with it */
static int l_proxy_misuse(lua_State *L) {
  struct sockaddr_storage ignored;
  if (is_conn(L, 1)) {
    lua_pushnil(L);
    return 1;
  }
  if (lua_type(L, 1) != LUA_TTABLE) {
    lua_pushfstring(L, "a connection, or a table of source and destination, expected, got %s",
                    luaL_typename(L, 1));
    return 1;
  }
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
    if (strcmp(name, "source") == 0 || strcmp(name, "destination") == 0) continue;
    luaL_tolstring(L, -2, NULL);
    lua_pushfstring(L, "unknown field '%s' (known: source, destination)", lua_tostring(L, -1));
    return 1;
  }
  static const char *const names[] = {"source", "destination"};
  for (int i = 0; i < 2; i++) {
    if (read_end(L, 1, names[i], &ignored)) continue;
    lua_pushfstring(L, "%s must be an address in numbers with its port, such as \"192.0.2.7:443\"",
                    names[i]);
    return 1;
  }
  lua_pushnil(L);
  return 1;
}

/* core.send_proxy_header(conn, from) -> true | nil, code, detail. As the first bytes of all, and at once. */
static int l_send_proxy_header(lua_State *L) {
  struct api_conn *self = api_check_conn(L, 1);
  struct proxy_header header;
  int rc = UV_ENOTCONN;
  if (is_conn(L, 2)) {
    const struct api_conn *from = api_check_conn(L, 2);
    if (from->conn) rc = conn_proxy_describe(from->conn, &header);
  } else {
    struct sockaddr_storage source, destination;
    if (read_end(L, 2, "source", &source) && read_end(L, 2, "destination", &destination)) {
      conn_proxy_between((struct sockaddr *)&source, (struct sockaddr *)&destination, &header);
      rc = 0;
    }
  }
  if (rc < 0) return api_push_failure(L, "closed", "the connection of proxy_protocol has ended");
  rc = self->conn ? conn_send_proxy_header(self->conn, &header) : UV_EPIPE;
  if (rc < 0) return api_push_failure(L, "closed", "the connection ended before its PROXY header");
  lua_pushboolean(L, true);
  return 1;
}

const luaL_Reg api_proxy_functions[] = {
    {"proxy_misuse", l_proxy_misuse}, {"send_proxy_header", l_send_proxy_header}, {NULL, NULL}};
