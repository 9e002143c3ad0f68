/* server/control_life.c — the commands that change what the server does: reload and shutdown. */
#include "server/control_commands.h"
#include "server/server.h"

struct reload_tally {
  struct control_client *client;
  unsigned count;
  unsigned failed;
};

static void tell_result(void *context, const struct reload_result *result) {
  struct reload_tally *tally = context;
  json_t *line =
      json_pack("{s:o, s:s, s:I}", "script", control_text(result->path), "outcome",
                reload_outcome_name(result->outcome), "version", (json_int_t)result->version);
  if (line && result->outcome == RELOAD_FAILED) {
    tally->failed++;
    json_object_set_new(line, "error", control_text(result->error));
  }
  tally->count++;
  control_put(tally->client, line);
}

void control_reload(const struct control_call *call) {
  struct reload_tally tally = {.client = call->client};
  const struct server *server = control_server(call->client);
  if (!server_is_serving(server)) {
    control_fail(call->client, "the server is %s: it takes on no changes any more",
                 server_phase_name(server));
    return;
  }
  server_reload(control_server(call->client), tell_result, &tally);
  if (tally.failed > 0) {
    control_fail(call->client,
                 "%u of %u scripts could not be reloaded: what was in force before still is",
                 tally.failed, tally.count);
  } else {
    control_ok(call->client);
  }
}

void control_shutdown(const struct control_call *call) {
  struct server *server = control_server(call->client);
  server_drain(server, "command shutdown");
  control_ok_with(call->client, json_pack("{s:s}", "phase", server_phase_name(server)));
}
