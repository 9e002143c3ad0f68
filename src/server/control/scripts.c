/* server/control/scripts.c — the commands scripts and versions: what there is to be asked. */
#include "api/version.h"
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

static size_t count_files(const struct version *version) {
  size_t count = 0;
  for (size_t i = 0; i < version->source_count; i++) count += version->sources[i].was_read;
  return count;
}

static void tell_version(struct control_client *client, const struct script *script,
                         const struct version *version) {
  const size_t connections = version->cohort ? version->cohort->group.count : 0;
  control_put(client, json_pack("{s:o, s:I, s:b, s:b, s:I, s:I, s:I}", "script",
                                control_text(script->path), "version", (json_int_t)version->number,
                                "in_force", version == script->runtime.current, "in_memory",
                                version->is_in_memory, "connections", (json_int_t)connections,
                                "tasks", (json_int_t)version_count_owned(version, "task"), "files",
                                (json_int_t)count_files(version)));
}

void control_versions(const struct control_call *call) {
  const struct server *server = call->client->control->server;
  const struct script *only = NULL;
  json_int_t count = 0;
  if (call->word_count > 0 && !(only = control_find_script(call, call->words[0].text))) return;
  for (size_t i = 0; i < server->script_count; i++) {
    const struct script *script = server->scripts[i];
    if (only && only != script) continue;
    LIST_EACH (const struct version, version, &script->runtime.versions, link) {
      tell_version(call->client, script, version);
      count++;
    }
  }
  control_ok_with(call->client, json_pack("{s:I}", "versions", count));
}
