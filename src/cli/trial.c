/* cli/trial.c — `moonport trial PATH...`: what a server runs to try changed scripts before it loads
 * them. Not for people: it says nothing on the terminal. */
#include "cli/settings.h"
#include "cli/table.h"
#include "server/trial_child.h"

int trial_command(const struct command_call *call) {
  struct log *log = settings_log_new(call->options);
  if (log == NULL) {
    return EXIT_AT_FAULT;
  }
  const struct server_options options = settings_read(call, log);
  trial_child_run(&options); /* returns when it could not begin */
  log_free(log);
  return EXIT_AT_FAULT;
}
