/* cli/cli.c — from the command line to the command that it names. Knows no command by itself. */
#include "cli/cli.h"

#include "base/platform.h"
#include "base/text.h"
#include "cli/in_lua.h"
#include "cli/table.h"
#include "cli/version.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 512, COMMANDS_MAX = 32 };

/* For who typed the program's name and nothing else. */
static const char usage[] = "moonport: a socket server whose behaviour is a Lua script\n\n"
                            "usage: moonport [COMMAND] [OPTION...] PATH...\n"
                            "  moonport echo.lua         serve this script\n"
                            "  moonport check echo.lua   validate it\n"
                            "  moonport --help           show every command and option\n";

/* A program started with a standard descriptor closed would hand its number to the first socket
 * or file it opens, and then log into that. */
static int open_standard_descriptors(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    /* The lowest free number is taken, so this one is `fd`. */
    if (open("/dev/null", O_RDWR) != fd) return -1;
  }
  return 0;
}

/* A word that is neither a command nor a file, but nearly a command. NULL: it may be a path. */
static const char *misspelt_command(const char *word) {
  if (strpbrk(word, "/.") || access(word, F_OK) == 0) return NULL;
  const char *names[COMMANDS_MAX];
  size_t count = 0;
  for (size_t i = 0; i < cli_table.command_count && count < COMMANDS_MAX; i++) {
    if (!cli_table.commands[i].hidden) names[count++] = cli_table.commands[i].name;
  }
  return text_nearest(word, names, count);
}

static int check_words(const struct command *command, const char *const *words, size_t count,
                       bool named) {
  if (count < command->words_min) {
    return command_refuse(command, "%s what? Write moonport %s %s", command->name, command->name,
                          command->words);
  }
  if (count > command->words_max) {
    return command_refuse(command, "\"%s\" is more than %s takes: write %s", words[count - 1],
                          command->name, command->words);
  }
  const char *meant = named || count == 0 ? NULL : misspelt_command(words[0]);
  if (meant && strcmp(meant, words[0]) == 0) {
    return command_refuse(command, "\"%s\" is a command, and comes before options: moonport %s ...",
                          meant, meant);
  }
  if (meant) {
    return command_refuse(command, "\"%s\" is no file and no command: did you mean %s?", words[0],
                          meant);
  }
  return EXIT_DONE;
}

/* `moonport help COMMAND`; NULL: of the whole program. */
static int show_help(const struct command *about, const struct options *options) {
  const struct command_call call = {
      .command = command_find("help"),
      .table = &cli_table,
      .options = options,
      .words = about ? &about->name : NULL,
      .word_count = about ? 1 : 0,
  };
  return in_lua_run(&call);
}

/* For a learner's script, or a replay: when the judge is killed, nobody is left to bound it. False: it has been
 * already. */
static bool end_with_parent(const char *parent) {
  (void)platform_end_with_parent(SIGKILL);
  return strtol(parent, NULL, 10) == (long)getppid();
}

/* Reads the arguments and runs the command. `named`: the command line named it. */
static int run(const struct command *command, bool named, struct options *options, int argc,
               char **argv) {
  const int first = named ? 2 : 1;
  char error[MESSAGE_BYTES];
  int rc = options_read_arguments(options, argc - first, argv + first, error, sizeof error);
  if (rc == -2) {
    fprintf(stderr, "moonport: %s\n", error); /* no word of the command line is at fault */
    return EXIT_AT_FAULT;
  }
  if (rc != 0) return command_refuse(command, "%s", error);
  /* Before the environment: help must come even when a variable is wrong. */
  if (options_flag(options, "help")) return show_help(named ? command : NULL, options);
  if (options_flag(options, "version")) {
    version_print(stdout);
    return EXIT_DONE;
  }
  struct command_call call = {
      .command = command, .table = &cli_table, .options = options, .arguments = argv};
  call.words = options_paths(options, &call.word_count);
  int code = check_words(command, call.words, call.word_count, named);
  if (code != EXIT_DONE) return code;
  if (options_read_environment(options, error, sizeof error) != 0) {
    return command_refuse(command, "%s", error);
  }
  const char *parent = options_string(options, "with-parent");
  if (parent && !end_with_parent(parent)) return EXIT_AT_FAULT;
  return command->run(&call);
}

/* Results that did not reach their reader are a failure: of a full disk, say. */
static int close_stdout(int code) {
  if (fflush(stdout) == 0 && ferror(stdout) == 0) return code;
  fprintf(stderr, "moonport: cannot write the output: %s\n", strerror(errno));
  return code == EXIT_DONE ? EXIT_AT_FAULT : code;
}

int cli_main(int argc, char **argv) {
  /* Which bytes are a character, and how wide it is: the same under every locale of the user. */
  if (!setlocale(LC_CTYPE, "C.UTF-8")) setlocale(LC_CTYPE, "");
  if (open_standard_descriptors() != 0) return EXIT_AT_FAULT;
  if (argc < 2) {
    fputs(usage, stderr);
    return EXIT_USAGE;
  }
  const struct command *command = command_find(argv[1]);
  const bool named = command != NULL;
  if (!named) command = command_default();
  const struct option_table table = {
      .rows = cli_table.options,
      .count = cli_table.option_count,
      .command = command->bit,
      .command_name = command->name,
      .word_ends_options = command->words_kind == WORDS_PROGRAM,
  };
  struct options *options = options_new(&table);
  if (!options) {
    fputs("moonport: out of memory\n", stderr);
    return EXIT_AT_FAULT;
  }
  int code = run(command, named, options, argc, argv);
  options_free(options);
  return close_stdout(code);
}
