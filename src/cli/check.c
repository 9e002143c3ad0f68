/* cli/check.c — `moonport check PATH...`: loads and validates scripts without listening. */
#include "base/grants.h"
#include "cli/settings.h"
#include "cli/table.h"

#include <stdio.h>

int check_command(const struct command_call *call) {
  struct grants *grants = NULL;
  int code = settings_read_grants(call, &grants);
  if (code != EXIT_DONE) return code;
  struct log *log = settings_log_new(call->options, LOG_PROSE);
  code = EXIT_AT_FAULT;
  if (log) {
    const struct server_options options = settings_read(call, grants, log);
    int rc = server_check(&options, stdout);
    code = rc == 0 ? EXIT_DONE : rc == -2 ? EXIT_USAGE : EXIT_AT_FAULT;
    log_free(log);
  }
  grants_free(grants);
  return code;
}
