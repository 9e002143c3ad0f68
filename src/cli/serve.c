/* cli/serve.c — `moonport serve PATH...`: runs a server until it has drained. */
#include "base/control_address.h"
#include "base/grants.h"
#include "base/init.h"
#include "cli/settings.h"
#include "cli/table.h"

static int serve(const struct command_call *call, const struct control_address *control,
                 const struct grants *grants) {
  init_be_reaper();
  struct log *log = settings_log_new(call->options);
  if (log == NULL) {
    return EXIT_AT_FAULT;
  }
  struct server_options options = settings_read(call, grants, log);
  options.listen = options_string(call->options, "listen");
  options.welcome = options_string(call->options, "welcome");
  options.backlog = (int)options_number(call->options, "backlog");
  options.grace_ms = options_number(call->options, "grace");
  options.no_watch = options_flag(call->options, "no-watch");
  options.drain_ms = options_number(call->options, "drain");
  options.control = control;
  struct server *server = NULL;
  int rc = server_open(&options, &server);
  int code = rc == -2 ? EXIT_USAGE : EXIT_AT_FAULT;
  if (rc == 0) {
    code = server_run(server);
    server_free(server);
  }
  log_free(log);
  return code;
}

int serve_command(const struct command_call *call) {
  struct control_address control;
  struct grants *grants = NULL;
  bool controlled = false;
  int code = settings_read_control(call, &control, &controlled);
  if (code == EXIT_DONE) {
    code = settings_read_grants(call, &grants);
  }
  if (code == EXIT_DONE) {
    code = serve(call, controlled ? &control : NULL, grants);
  }
  grants_free(grants);
  return code;
}
