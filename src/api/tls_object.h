/* api/tls_object.h — the TLS options of a call, made to what a connection begins with; for api/ and
 * server/testing/ only. */
#pragma once

#include "api/wait.h"
#include "base/address.h"
#include "net/tls/trust.h"

#include <lua.h>
#include <stdbool.h>

struct tls_context;

/* The payload of a userdata "moonport.tls.context": for one connection or for many. */
struct tls_object {
  struct tls_context *context; /* NULL: it is not made yet */
  struct api_wait wait;        /* for the authorities that the system trusts */
  struct trust_wait trust;
  const char *directory;       /* what files are relative to; NULL: the script's */
  char name[ADDRESS_HOST_MAX]; /* whom to ask for, where the options say so; or "" */
  bool is_server;
  bool verifies; /* of a client: the other's certificate */
  bool resumes;  /* a later connection of it goes on with the session of an earlier one */
};

/* Pushes an empty one. Raises. */
struct tls_object *api_push_tls_object(lua_State *L);
struct tls_object *api_check_tls_object(lua_State *L, int index);

/* What is wrong with the options at `index`, a table or nil, of `call`: pushes a sentence. False:
 * nothing is. Raises when memory is out. */
bool api_misuses_tls(lua_State *L, int index, bool is_server, const char *call);
enum tls_made { TLS_MADE, TLS_WAITS, TLS_UNUSABLE };
/* Makes its context of such options. TLS_WAITS: something is being read for it; who waits at `wait`
 * asks again then. TLS_UNUSABLE: it pushed a sentence of what is wrong with a file. Raises when memory
 * is out. */
enum tls_made api_make_tls_object(lua_State *L, int index, struct tls_object *object);
