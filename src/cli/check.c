/* cli/check.c — `moonport check PATH...`: loads and validates scripts without listening. */
#include "base/grants.h"
#include "cli/meta.h"
#include "cli/settings.h"
#include "cli/table.h"

#include <stdio.h>

/* Only who has asked for it: most scripts are written without. */
static void check_editor(const struct command_call *call, struct log *log) {
  for (size_t i = 0; i < call->word_count; i++) {
    if (meta_is_known_at(call->words[i])) continue;
    log_printf(log, LOG_WARN,
               "%s: no .luarc.json here or above, so an editor does not know moonport's names: "
               "\"workspace.library\" in it is a list with what moonport meta prints",
               call->words[i]);
  }
}

int check_command(const struct command_call *call) {
  struct grants *grants = NULL;
  int code = settings_read_grants(call, &grants);
  if (code != EXIT_DONE) return code;
  struct log *log = settings_log_new(call->options, LOG_PROSE);
  code = EXIT_AT_FAULT;
  if (log) {
    const struct server_options options = settings_read(call, grants, log);
    int rc = server_check(&options, stdout);
    if (options_flag(call->options, "editor")) check_editor(call, log);
    code = rc == 0 ? EXIT_DONE : rc == -2 ? EXIT_USAGE : EXIT_AT_FAULT;
    log_free(log);
  }
  grants_free(grants);
  return code;
}
