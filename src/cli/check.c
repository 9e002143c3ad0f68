/* cli/check.c — `moonport check PATH...`: loads and validates scripts without listening. */
#include "cli/settings.h"
#include "cli/table.h"

#include <stdio.h>

int check_command(const struct command_call *call) {
  struct log *log = settings_log_new(call->options);
  if (log == NULL) {
    return EXIT_AT_FAULT;
  }
  const struct server_options options = settings_read(call, log);
  int rc = server_check(&options, stdout);
  log_free(log);
  return rc == 0 ? EXIT_DONE : EXIT_AT_FAULT;
}
