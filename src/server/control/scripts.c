/* server/control/scripts.c — the commands scripts and versions: what there is to be asked. */
#include "server/control/find.h"
#include "server/roles.h"
#include "server/script.h"
#include "server/server_state.h"

static void scripts_tell_script(struct control_client *client, const struct script *script) {
  struct script_status status;
  script_status(script, &status);
  control_put(client,
              json_pack("{s:o, s:o, s:s, s:I, s:I}", "name", control_text(script->runtime.script),
                        "script", control_text(status.path), "state", status.state, "version",
                        (json_int_t)status.version, "connections", (json_int_t)status.connections));
}

void control_scripts(const struct control_call *call) {
  const struct server *server = call->client->control->server;
  size_t count = 0;
  for (size_t i = 0; i < server->script_count; i++) {
    if (server_is_module(server, server->scripts[i])) continue;
    scripts_tell_script(call->client, server->scripts[i]);
    count++;
  }
  control_ok_with(call->client, json_pack("{s:I}", "scripts", (json_int_t)count));
}

struct telling {
  struct control_client *client;
  const struct script *script;
  json_int_t count;
};

static void tell_version(void *context, const struct script_version *version) {
  struct telling *telling = context;
  telling->count++;
  control_put(telling->client,
              json_pack("{s:o, s:I, s:b, s:b, s:I, s:I, s:I}", "script",
                        control_text(telling->script->path), "version", (json_int_t)version->number,
                        "in_force", version->is_in_force, "in_memory", version->is_in_memory,
                        "connections", (json_int_t)version->connections, "tasks",
                        (json_int_t)version->tasks, "files", (json_int_t)version->files));
}

void control_versions(const struct control_call *call) {
  const struct server *server = call->client->control->server;
  struct telling telling = {.client = call->client};
  const struct script *only = NULL;
  if (call->word_count > 0 && !(only = control_find_script(call, call->words[0].text))) return;
  for (size_t i = 0; i < server->script_count; i++) {
    telling.script = server->scripts[i];
    if (!only || only == telling.script) {
      script_each_version(telling.script, tell_version, &telling);
    }
  }
  control_ok_with(call->client, json_pack("{s:I}", "versions", telling.count));
}
