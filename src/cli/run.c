/* cli/run.c — `moonport run FILE [ARG...]`: a plain Lua program on the loop. */
#include "base/grants.h"
#include "base/init.h"
#include "cli/settings.h"
#include "cli/table.h"
#include "server/program.h"

int run_command(const struct command_call *call) {
  const char *code = options_string(call->options, "execute");
  if (!code && call->word_count == 0) {
    return command_refuse(call->command,
                          "run what? Write moonport run FILE, or moonport run -e CODE");
  }
  /* A program is the user's own: what the environment says of scripts does not bind it. */
  struct grants *grants = NULL;
  int exit_code =
      options_given(call->options, "allow") ? settings_read_grants(call, &grants) : EXIT_DONE;
  if (exit_code != EXIT_DONE) return exit_code;
  (void)init_be_reaper();
  struct log *log = settings_log_new(call->options, LOG_PROSE);
  if (!log) {
    grants_free(grants);
    return EXIT_AT_FAULT;
  }
  const struct program_options options = {
      .log = log,
      .code = code,
      .words = call->words,
      .word_count = call->word_count,
      .grants = grants,
      .lua_dir = options_string(call->options, "MOONPORT_LUA_DIR"),
  };
  exit_code = program_run(&options);
  log_free(log);
  grants_free(grants);
  return exit_code;
}
