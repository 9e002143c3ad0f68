/* options_fuzz.c — any command line in any environment, read by the table of moonport's options —
 * runs no command.
 *
 * An input is lines: the command's name, then a word a line; a line `$NAME=VALUE` is a variable of the
 * environment instead. Values must be such as their rows allow, the command line must win, and what
 * was read must be read again the same when it is written out. */
#include "expect.h"

#include "cli/table.h"

enum { INPUT_BYTES_MAX = 4096, WORDS_MAX = 64, ERROR_BYTES = 200 };

struct input {
  char *command;
  char *words[WORDS_MAX]; /* of the command line */
  int count;
  char *variables[WORDS_MAX]; /* names of those that were set */
  int variable_count;
};

static bool take_variable(struct input *input, char *line) {
  char *equals = strchr(line, '=');
  if (*line != '$' || !equals || equals == line + 1) return false;
  if (strncmp(line + 1, "MOONPORT_", 9) != 0) return false;
  *equals = '\0';
  MUST(setenv(line + 1, equals + 1, 1) == 0);
  input->variables[input->variable_count++] = line;
  return true;
}

static void read_input(struct input *input, const uint8_t *data, size_t size) {
  *input = (struct input){.command = take_line(&data, &size)};
  while (size > 0 && input->count < WORDS_MAX && input->variable_count < WORDS_MAX) {
    char *line = take_line(&data, &size);
    if (!take_variable(input, line)) input->words[input->count++] = line;
  }
}

static void free_input(struct input *input) {
  for (int i = 0; i < input->variable_count; i++) {
    MUST(unsetenv(input->variables[i] + 1) == 0);
    free(input->variables[i]);
  }
  for (int i = 0; i < input->count; i++) free(input->words[i]);
  free(input->command);
}

/* --- What was read ------------------------------------------------------------------------- */

static const char *name_of(const struct option_row *row) {
  return row->name ? row->name : row->env;
}

static bool is_number(const struct option_row *row) {
  return row->kind == OPTION_INT || row->kind == OPTION_SECONDS || row->kind == OPTION_SIZE;
}

static void check_value(const struct options *options, const struct option_row *row) {
  const char *name = name_of(row);
  if (row->kind == OPTION_STRING || row->kind == OPTION_LIST) {
    const char *text = options_string(options, name);
    MUST(text == NULL || *text != '\0');
  } else if (row->kind == OPTION_CHOICE) {
    int choices = 0;
    while (row->choices[choices]) choices++;
    MUST(options_choice(options, name) >= 0 && options_choice(options, name) < choices);
  } else if (is_number(row)) {
    int64_t number = options_number(options, name);
    bool is_unset = row->fallback == NULL && number == 0;
    MUST(number >= 0);
    if (row->kind == OPTION_INT) MUST(is_unset || (number >= row->min && number <= row->max));
  }
}

static void check_same(const struct options *a, const struct options *b,
                       const struct option_row *row) {
  const char *name = name_of(row);
  switch (row->kind) {
    case OPTION_FLAG: MUST(options_flag(a, name) == options_flag(b, name)); break;
    case OPTION_CHOICE: MUST(options_choice(a, name) == options_choice(b, name)); break;
    case OPTION_SECONDS:
    case OPTION_SIZE:
    case OPTION_INT: MUST(options_number(a, name) == options_number(b, name)); break;
    case OPTION_LIST:
    case OPTION_STRING: {
      const char *text = options_string(a, name), *other = options_string(b, name);
      MUST(!text == !other && (!text || strcmp(text, other) == 0));
    }
  }
}

/* --- Written out --------------------------------------------------------------------------- */

enum { TABLE_MAX = 64 };

struct written {
  char *words[TABLE_MAX + 1 + WORDS_MAX];
  int count;
};

/* "--name=value", or nothing where there is no value to name. */
static void write_option(struct written *written, const struct options *options,
                         const struct option_row *row) {
  char word[INPUT_BYTES_MAX + 64];
  const char *name = row->name;
  if (row->kind == OPTION_FLAG) {
    if (!options_flag(options, name)) return;
    (void)snprintf(word, sizeof word, "--%s", name);
  } else if (row->kind == OPTION_STRING || row->kind == OPTION_LIST) {
    if (!options_string(options, name)) return;
    (void)snprintf(word, sizeof word, "--%s=%s", name, options_string(options, name));
  } else if (row->kind == OPTION_CHOICE) {
    int choice = options_choice(options, name);
    (void)snprintf(word, sizeof word, "--%s=%s", name, row->choices[choice]);
  } else {
    long long number = (long long)options_number(options, name);
    if (number == 0 && row->fallback == NULL) return;
    const char *unit = row->kind == OPTION_SECONDS ? "ms" : "";
    (void)snprintf(word, sizeof word, "--%s=%lld%s", name, number, unit);
  }
  written->words[written->count++] = copy_text(word, strlen(word));
}

/* Every option by name, then `--`, then the words that were none: the same again. */
static void check_written(const struct option_table *table, const struct options *options) {
  struct written written = {.count = 0};
  char error[ERROR_BYTES];
  size_t path_count;
  const char *const *paths = options_paths(options, &path_count);
  MUST(cli_table.option_count <= TABLE_MAX);
  for (size_t i = 0; i < cli_table.option_count; i++) {
    const struct option_row *row = &cli_table.options[i];
    if (row->name && row->commands & table->command) write_option(&written, options, row);
  }
  int option_words = written.count;
  written.words[written.count++] = copy_text("--", 2);
  for (size_t i = 0; i < path_count; i++) {
    written.words[written.count++] = copy_text(paths[i], strlen(paths[i]));
  }
  struct options *again = options_new(table);
  MUST(again != NULL);
  MUST(options_read_arguments(again, written.count, written.words, error, sizeof error) == 0);
  size_t count_again;
  const char *const *paths_again = options_paths(again, &count_again);
  MUST(count_again == path_count);
  for (size_t i = 0; i < path_count; i++) {
    MUST(paths_again[i] == written.words[(size_t)option_words + 1 + i]);
  }
  for (size_t i = 0; i < cli_table.option_count; i++) {
    const struct option_row *row = &cli_table.options[i];
    if (row->name && row->commands & table->command) check_same(options, again, row);
  }
  options_free(again);
  for (int i = 0; i < written.count; i++) free(written.words[i]);
}

/* --- One command line ---------------------------------------------------------------------- */

static void check_paths(const struct options *options, const struct input *input) {
  size_t path_count;
  const char *const *paths = options_paths(options, &path_count);
  int next = 0; /* they are words of the command line, in its order */
  for (size_t i = 0; i < path_count; i++) {
    while (next < input->count && input->words[next] != paths[i]) next++;
    MUST(next < input->count);
    next++;
  }
}

static void check_all(const struct options *options) {
  for (size_t i = 0; i < cli_table.option_count; i++) check_value(options, &cli_table.options[i]);
}

static void read_all(const struct option_table *table, const struct input *input) {
  char error[ERROR_BYTES] = "";
  struct options *options = options_new(table);
  MUST(options != NULL);
  int rc = options_read_arguments(options, input->count, input->words, error, sizeof error);
  MUST((rc == 0) == (*error == '\0'));
  check_all(options);
  if (rc == 0) {
    check_paths(options, input);
    check_written(table, options);
    rc = options_read_environment(options, error, sizeof error);
    MUST((rc == 0) == (*error == '\0'));
    if (rc < 0) MUST(strncmp(error, "MOONPORT_", 9) == 0);
    check_all(options);
    check_written(table, options);
  }
  MUST(memchr(error, '\0', sizeof error) != NULL);
  options_free(options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size > INPUT_BYTES_MAX || memchr(data, '\0', size)) return -1;
  struct input input;
  read_input(&input, data, size);
  const struct command *command = command_find(input.command);
  if (!command) command = command_default();
  const struct option_table table = {
      .rows = cli_table.options,
      .count = cli_table.option_count,
      .command = command->bit,
      .command_name = command->name,
      .word_ends_options = command->words_kind == WORDS_PROGRAM,
  };
  read_all(&table, &input);
  free_input(&input);
  return 0;
}
