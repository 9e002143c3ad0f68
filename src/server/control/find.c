/* server/control/find.c — what the words of a command name: a connection, a script. */
#include "server/control/find.h"

#include "base/worker.h"
#include "net/conn.h"
#include "server/roles.h"
#include "server/script.h"
#include "server/server_state.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_BYTES_MAX = 600 };

static struct conn *find_conn(const struct server *server, uint64_t id) {
  for (size_t i = 0; i < server->script_count; i++) {
    struct conn_group *group;
    for (size_t k = 0; (group = script_conn_group(server->scripts[i], k)); k++) {
      struct conn *conn = NULL;
      while ((conn = conn_group_next(group, conn))) {
        if (conn_id(conn) == id) return conn;
      }
    }
  }
  return NULL;
}

/* The digits that *text begins with, and moves behind them. */
static bool read_digits(const char **text, uint64_t *out) {
  char *end;
  if (**text < '0' || **text > '9') return false;
  errno = 0;
  *out = strtoull(*text, &end, 10);
  *text = end;
  return errno == 0;
}

bool control_read_id(const char *text, unsigned *worker, uint64_t *out) {
  if (*text == '#') text++;
  *worker = 0;
  if (!read_digits(&text, out)) return false;
  if (*text != '.') return *text == '\0';
  if (*out == 0 || *out > UINT_MAX) return false;
  *worker = (unsigned)*out;
  text++;
  return read_digits(&text, out) && *text == '\0';
}

const char *control_conn_name(const struct control_client *client, uint64_t id,
                              char out[CONN_NAME_BYTES]) {
  const struct worker *worker = client->control->worker;
  if (worker) {
    snprintf(out, CONN_NAME_BYTES, "%u.%llu", worker->number, (unsigned long long)id);
  } else {
    snprintf(out, CONN_NAME_BYTES, "%llu", (unsigned long long)id);
  }
  return out;
}

json_t *control_conn_id(const struct control_client *client, uint64_t id) {
  char name[CONN_NAME_BYTES];
  if (!client->control->worker) return json_integer((json_int_t)id);
  return json_string(control_conn_name(client, id, name));
}

struct conn *control_find_conn(const struct control_call *call) {
  uint64_t id;
  unsigned number;
  const struct worker *worker = call->client->control->worker;
  char name[CONN_NAME_BYTES];
  if (!control_read_id(call->words[0].text, &number, &id) || (number > 0 && !worker)) {
    control_fail(call->client, "\"%.60s\" is no connection: write its number, as in %s %s12",
                 call->words[0].text, call->name, worker ? "2." : "");
    return NULL;
  }
  struct conn *conn = find_conn(call->client->control->server, id);
  if (!conn) {
    control_fail(call->client, "there is no connection %s (any more): conns lists them",
                 control_conn_name(call->client, id, name));
  }
  return conn;
}

/* "a.lua, b.lua", as many as fit. */
static void list_names(const struct server *server, char out[NAMES_BYTES_MAX]) {
  size_t used = 0;
  *out = '\0';
  for (size_t i = 0; i < server->script_count && used < NAMES_BYTES_MAX; i++) {
    if (server_is_module(server, server->scripts[i])) continue;
    const char *name = server->scripts[i]->runtime.script;
    int size = snprintf(out + used, NAMES_BYTES_MAX - used, "%s%s", used ? ", " : "", name);
    used += size > 0 ? (size_t)size : 0;
  }
}

static bool is_named(const struct script *script, const char *name) {
  return strcmp(script->path, name) == 0 || strcmp(script->runtime.script, name) == 0;
}

void control_refuse_script(const struct control_call *call, const char *name, size_t count,
                           const char *names) {
  if (count == 0) {
    control_fail(call->client, "there is no script \"%.60s\": there are %s", name ? name : "",
                 *names ? names : "none");
  } else if (name) {
    control_fail(call->client, "there are %zu scripts \"%.60s\": write the path of one", count,
                 name);
  } else {
    control_fail(call->client,
                 "there are %zu scripts: write %s SCRIPT CODE, or in the console first use SCRIPT, "
                 "with one of %s",
                 count, call->name, names);
  }
}

struct script *control_find_script(const struct control_call *call, const char *name) {
  const struct server *server = call->client->control->server;
  char names[NAMES_BYTES_MAX];
  struct script *found = NULL;
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    struct script *script = server->scripts[i];
    if (name ? !is_named(script, name) : server_is_module(server, script)) continue;
    found = script;
    count++;
  }
  if (count == 1) return found;
  list_names(server, names);
  control_refuse_script(call, name, count, names);
  return NULL;
}
