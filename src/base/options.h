/* base/options.h — a command line and an environment read by one table. Knows no option by name. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a row takes, and which reader below returns it. */
enum option_kind {
  OPTION_FLAG,    /* nothing on the command line; 1 or 0 in the environment. options_flag() */
  OPTION_STRING,  /* any text but an empty one. options_string() */
  OPTION_SECONDS, /* as text_parse_seconds() reads it. options_number(), in milliseconds */
  OPTION_SIZE,    /* as text_parse_size() reads it. options_number(), in bytes */
  OPTION_INT,     /* a whole number from `min` to `max`. options_number() */
  OPTION_CHOICE,  /* one of `choices`. options_choice(), its index */
  OPTION_LIST,    /* any text, more than once: joined by commas. options_string() */
};

/* One option. The help, the man page and the completions are made of the same rows. */
struct option_row {
  const char *name;     /* "log-level"; NULL: in the environment only */
  const char *argument; /* what help calls the value; NULL for a flag */
  const char *env;      /* "MOONPORT_LOG_LEVEL", or NULL */
  const char *help;     /* one line, no full stop */
  unsigned commands;    /* the commands that take it, one bit each */
  enum option_kind kind;
  char letter;                /* the short form, or 0 */
  const char *fallback;       /* the default as text; NULL: none, false or 0 */
  const char *fallback_note;  /* what help calls the default where it is none of one text */
  int64_t min, max;           /* OPTION_INT, both included */
  const char *const *choices; /* OPTION_CHOICE, ends with NULL */
  bool hidden;                /* works, but is not in the help */
};

/* Writes what a row accepts: "debug, info, warn or error"; always terminated. */
enum { OPTION_DESCRIPTION_SIZE_MAX = 160 };
void option_describe(const struct option_row *row, char *out, size_t size);

/* The rows, and for whom they are read this time. */
struct option_table {
  const struct option_row *rows;
  size_t count;
  unsigned command;         /* the bit of the command at hand */
  const char *command_name; /* for messages */
  bool word_ends_options;   /* what follows the first word belongs to a program: run FILE -x */
};

struct options; /* the values read so far; borrows the table, the arguments and the environment */

/* Every row at its default. NULL: out of memory. */
struct options *options_new(const struct option_table *table);
void options_free(struct options *options);

/* Reads `--name value`, `--name=value`, `-x value`, `-xvalue`, flags in one word (`-ab`), and
 * paths between them; `--` ends the options. The last of repeated options counts, but for lists.
 * Returns 0; -1 with `error`: the option, what is wrong and what is accepted; or -2 when memory is
 * out. */
int options_read_arguments(struct options *options, int count, char *const *arguments, char *error,
                           size_t error_size);

/* Reads the variables of the rows that the command line did not give; an empty one is as good as
 * none. Returns 0, or -1 with `error`. */
int options_read_environment(struct options *options, char *error, size_t error_size);

/* The value of a row by its name; of a row without one, by its variable. The row must exist and be
 * of the right kind. Strings are NULL when there is neither a value nor a default. */
bool options_flag(const struct options *options, const char *name);
bool options_given(const struct options *options,
                   const char *name); /* a string, and not by a variable */
const char *options_string(const struct options *options, const char *name);
int64_t options_number(const struct options *options, const char *name);
int options_choice(const struct options *options, const char *name);

/* What was no option, in order; borrowed. */
const char *const *options_paths(const struct options *options, size_t *count);
