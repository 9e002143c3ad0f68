/* cli/settings.c — the options of a command line as the server takes them. */
#include "cli/settings.h"

#include <stdio.h>
#include <unistd.h>

struct log *settings_log_new(const struct options *options) {
  struct log *log = log_new(STDERR_FILENO, (enum log_level)options_choice(options, "log-level"),
                            (enum log_format)options_choice(options, "log-format"));
  if (log == NULL) {
    (void)fputs("moonport: out of memory\n", stderr);
  }
  return log;
}

struct server_options settings_read(const struct command_call *call, struct log *log) {
  return (struct server_options){
      .log = log,
      .paths = call->words,
      .path_count = call->word_count,
      .host = options_string(call->options, "host"),
      .unsafe = options_flag(call->options, "unsafe"),
      .lua_dir = options_string(call->options, "MOONPORT_LUA_DIR"),
  };
}
