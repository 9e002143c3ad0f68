/* cli/trial.c — `moonport trial CPU_MS:BYTES:PATH...`: what a server runs to try changed scripts before it loads
 * them. Not for people: it says nothing on the terminal. */
#include "base/grants.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "server/reload/trial_child.h"

int trial_command(const struct command_call *call) {
  struct grants *grants = NULL;
  int code = settings_read_grants(call, &grants);
  if (code != EXIT_DONE) return code;
  struct log *log = settings_log_new(call->options, LOG_TEXT);
  if (!log) {
    grants_free(grants);
    return EXIT_AT_FAULT;
  }
  const struct server_options options = settings_read(call, grants, log);
  /* Returns when it could not begin. */
  trial_child_run(&options, options_flag(call->options, "input-waits"),
                  options_flag(call->options, "texts"));
  log_free(log);
  grants_free(grants);
  return EXIT_AT_FAULT;
}
