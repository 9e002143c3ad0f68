/* cli/command.h — what a command is, and what it is called with. */
#pragma once

#include "base/options.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit codes. */
enum {
  EXIT_DONE = 0,
  EXIT_AT_FAULT = 1, /* the script, the address or the machine */
  EXIT_USAGE = 2,    /* the command line */
};

/* All that the program can be told: what help, man page and completions are made from. */
struct command_table {
  const struct command *commands;
  size_t command_count;
  const struct option_row *options;
  size_t option_count;
};

/* One run of a command; everything is borrowed. */
struct command_call {
  const struct command *command;
  const struct command_table *table;
  const struct options *options;
  const char *const *words; /* what was no option: paths, mostly */
  size_t word_count;
  char *const *arguments; /* the whole command line, the program's name included */
  const char *facts; /* JSON that its part in C found out for its part in Lua; NULL: it has none */
  const char *control; /* where the server is that is asked; NULL: as --control says */
};

/* What a shell proposes as a command's words. */
enum command_words { WORDS_OTHER, WORDS_SCRIPTS, WORDS_COMMANDS, WORDS_PROGRAM };

struct command {
  const char *name;
  unsigned bit;      /* its place in option_row.commands */
  const char *words; /* what follows the options in its usage line; "" for nothing */
  enum command_words words_kind;
  size_t words_min;                            /* fewer are an error */
  size_t words_max;                            /* more are an error */
  const char *summary;                         /* one line, no full stop */
  int (*run)(const struct command_call *call); /* returns the exit code */
  bool hidden;                                 /* works, but is not in the help */
};

/* Says on stderr what is wrong with the command line and how to learn more. Returns EXIT_USAGE. */
int command_refuse(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
