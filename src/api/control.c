/* api/control.c — moonport.control.core: a connection to a control socket, of a server to be believed.
 *
 * Not by socket.connect(): who answers has to be asked of the descriptor, and libuv before 1.46 knows
 * no names outside of the file system. */
#include "api/conn.h"
#include "api/modules.h"
#include "api/permit.h"
#include "api/runtime.h"
#include "api/values.h"
#include "base/address.h"
#include "base/control_peer.h"
#include "base/platform.h"
#include "base/words.h"
#include "net/connect.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int control_refuse(lua_State *L, const char *message) {
  luaL_pushfail(L);
  lua_pushstring(L, message);
  return 2;
}

/* As api_permit(): a name that is in no file system is to grants what a path would be. */
static int check_grant(lua_State *L, const char *path) {
  struct address address = {.kind = ADDRESS_UNIX};
  snprintf(address.path, sizeof address.path, "%s", path);
  return api_permit(L, "connect", &address);
}

/* core.address([path]) -> "/run/moonport.sock" or "@name"; without a path that of the server that runs |
 * nil, message */
static int l_address(lua_State *L) {
  size_t size = 0;
  const char *text = luaL_optlstring(L, 1, NULL, &size);
  struct control_address address;
  char error[CONTROL_MESSAGE_BYTES];
  if (text && strlen(text) != size) {
    return control_refuse(L, "the address of a control socket contains a NUL byte");
  }
  if (control_address_is_off(text)) {
    return control_refuse(
        L, "a server without a control socket cannot be asked: name one with --control");
  }
  if (control_address_read(text, &address, error, sizeof error) != 0) {
    return control_refuse(L, error);
  }
  if (!text && check_grant(L, address.text)) {
    lua_remove(L, -2); /* the code */
    return 2;
  }
  if (!text && !control_choose(&address, false, error, sizeof error))
    return control_refuse(L, error);
  lua_pushstring(L, address.text);
  return 1;
}

/* A connected descriptor; or -1, with a message, or with EAGAIN in errno. */
static int open_socket(const struct control_address *address, bool named, long *pid,
                       char message[CONTROL_MESSAGE_BYTES]) {
  int fd = platform_socket(AF_UNIX, SOCK_STREAM, false);
  int rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&address->sockaddr, address->size);
  int error = rc < 0 ? errno : 0;
  if (error) control_explain(error, address->text, message);
  if (!error && control_is_trusted(fd, address->text, named, pid, message)) return fd;
  if (fd >= 0) close(fd);
  errno = error;
  return -1;
}

/* core.connect(address, named) -> conn, pid | nil, message, whether it may be tried again */
static int l_connect(lua_State *L) {
  struct control_address address;
  char message[CONTROL_MESSAGE_BYTES];
  long pid;
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  if (strlen(text) != size) {
    return control_refuse(L, "the address of a control socket contains a NUL byte");
  }
  if (control_address_read(text, &address, message, sizeof message) != 0) {
    return control_refuse(L, message);
  }
  if (check_grant(L, address.text)) {
    lua_remove(L, -2); /* the code */
    return 2;
  }
  runtime_check_alive(L);
  int fd = open_socket(&address, lua_toboolean(L, 2), &pid, message);
  if (fd < 0) {
    lua_pushboolean(L, errno == EAGAIN);
    control_refuse(L, message);
    lua_rotate(L, -3, 2);
    return 3;
  }
  struct runtime *runtime = runtime_of(L);
  struct conn_group *group = &runtime->sequential;
  int rc = net_adopt(group, fd, (const struct sockaddr *)&address.sockaddr, CONN_NO_LISTENER);
  if (rc < 0) return control_refuse(L, "not enough memory or descriptors to connect");
  api_give_conn(L, runtime, conn_group_newest(group));
  lua_pushinteger(L, pid);
  return 2;
}

/* core.quote(word) -> the word as it stands in a command, whatever its bytes are */
static int l_quote(lua_State *L) {
  size_t size;
  luaL_Buffer quoted;
  const char *word = luaL_checklstring(L, 1, &size);
  char *place = luaL_buffinitsize(L, &quoted, WORDS_QUOTED_SIZE_MAX(size));
  luaL_pushresultsize(&quoted, words_quote(word, size, place));
  return 1;
}

const luaL_Reg api_control_functions[] = {
    {"address", l_address}, {"connect", l_connect}, {"quote", l_quote}, {NULL, NULL}};
