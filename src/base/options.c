/* base/options.c — a command line and an environment read by one table. Knows no option by name. */
#include "base/options.h"

#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that a misspelt option is compared with. */
enum { KNOWN_MAX = 64 };
/* Room for "MOONPORT_LOG_LEVEL" or "--log-level" in a message. */
enum { SOURCE_SIZE_MAX = 64 };
/* How much of a wrong value a message repeats. */
enum { QUOTE_SIZE_MAX = 120 };

struct value {
  bool given;         /* on the command line: the environment no longer counts */
  const char *string; /* OPTION_STRING, OPTION_LIST; borrowed, unless it is `joined` */
  char *joined;       /* what a list was given so far; NULL: it is no list, or was not given */
  int64_t number;     /* every other kind */
};

struct options {
  const struct option_table *table;
  const char **paths; /* borrowed strings */
  size_t path_count;
  char *error; /* where messages go; error_size bytes */
  size_t error_size;
  struct value values[]; /* one a row */
};

/* Writes the error, and returns -1. */
__attribute__((format(printf, 2, 3))) static int refuse(const struct options *options,
                                                        const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(options->error, options->error_size, format, arguments);
  va_end(arguments);
  return -1;
}

static bool is_word(const char *text, const char *const *words, int *out_index) {
  for (int i = 0; words[i]; i++) {
    if (strcmp(text, words[i]) == 0) {
      *out_index = i;
      return true;
    }
  }
  return false;
}

static bool parse_flag(const char *text, int64_t *out) {
  static const char *const words[] = {"0", "1", "no", "yes", "false", "true", "off", "on", NULL};
  int index = 0;
  if (!is_word(text, words, &index)) return false;
  *out = index % 2;
  return true;
}

static bool parse_int(const struct option_row *row, const char *text, int64_t *out) {
  char *end = NULL;
  /* strtoll() would skip spaces and take a plus sign. */
  if ((*text < '0' || *text > '9') && *text != '-') return false;
  errno = 0;
  long long number = strtoll(text, &end, 10);
  if (errno != 0 || end == text || *end || number < row->min || number > row->max) {
    return false;
  }
  *out = number;
  return true;
}

static bool parse_choice(const struct option_row *row, const char *text, int64_t *out) {
  int index = 0;
  if (!is_word(text, row->choices, &index)) return false;
  *out = index;
  return true;
}

static int parse_size(const char *text, int64_t *out) {
  size_t bytes;
  int rc = text_parse_size(text, &bytes);
  if (rc != 0 || bytes > INT64_MAX) return rc != 0 ? rc : TEXT_TOO_LARGE;
  *out = (int64_t)bytes;
  return 0;
}

/* Adds `text` to a list. */
static bool options_append(struct value *value, const char *text) {
  char *joined = NULL;
  const char *glue = value->joined ? "," : "";
  if (asprintf(&joined, "%s%s%s", value->joined ? value->joined : "", glue, text) < 0) return false;
  free(value->joined);
  value->string = value->joined = joined;
  return true;
}

/* Stores `text` as the value. False: it is none, and the value is what it was. */
static bool value_parse(struct value *value, const struct option_row *row, const char *text) {
  switch (row->kind) {
    case OPTION_FLAG: return parse_flag(text, &value->number);
    case OPTION_SECONDS: return text_parse_seconds(text, &value->number) == 0;
    case OPTION_SIZE: return parse_size(text, &value->number) == 0;
    case OPTION_INT: return parse_int(row, text, &value->number);
    case OPTION_CHOICE: return parse_choice(row, text, &value->number);
    case OPTION_LIST: return options_append(value, text);
    case OPTION_STRING: break;
  }
  if (!*text) return false;
  value->string = text;
  return true;
}

void option_describe(const struct option_row *row, char *out, size_t size) {
  switch (row->kind) {
    case OPTION_FLAG: snprintf(out, size, "1 or 0"); return;
    case OPTION_LIST:
    case OPTION_STRING: snprintf(out, size, "some %s", row->argument); return;
    case OPTION_SECONDS: snprintf(out, size, "seconds, as in 10, 0.5, 150ms or 5m"); return;
    case OPTION_SIZE: snprintf(out, size, "bytes, as in 512, 64K, 256M or 1G"); return;
    case OPTION_INT:
      snprintf(out, size, "a whole number from %lld to %lld", (long long)row->min,
               (long long)row->max);
      return;
    case OPTION_CHOICE: break;
  }
  size_t used = 0;
  for (size_t i = 0; row->choices[i] && used < size; i++) {
    const char *glue = i == 0 ? "" : row->choices[i + 1] ? ", " : " or ";
    used += (size_t)snprintf(out + used, size - used, "%s%s", glue, row->choices[i]);
  }
}

/* The most that it takes, when `text` is more; other kinds name their bounds anyway. */
static bool describe_most(const struct option_row *row, const char *text, char *out, size_t size) {
  int64_t number;
  if (row->kind == OPTION_SECONDS && text_parse_seconds(text, &number) == TEXT_TOO_LARGE) {
    snprintf(out, size, "at most %lldh", (long long)(TEXT_TIME_MS_MAX / 3600000));
    return true;
  }
  if (row->kind == OPTION_SIZE && parse_size(text, &number) == TEXT_TOO_LARGE) {
    snprintf(out, size, "at most %lldG", (long long)(INT64_MAX >> 30));
    return true;
  }
  return false;
}

static int refuse_value(const struct options *options, const struct option_row *row,
                        const char *source, const char *text) {
  char accepted[OPTION_DESCRIPTION_SIZE_MAX];
  bool too_large = describe_most(row, text, accepted, sizeof accepted);
  if (!too_large) option_describe(row, accepted, sizeof accepted);
  return refuse(options, "%s does not take \"%.*s\"%s: write %s", source, QUOTE_SIZE_MAX, text,
                too_large ? ", which is too large" : "", accepted);
}

struct options *options_new(const struct option_table *table) {
  struct options *options = calloc(1, sizeof *options + table->count * sizeof options->values[0]);
  if (!options) return NULL;
  options->table = table;
  for (size_t i = 0; i < table->count; i++) {
    const struct option_row *row = &table->rows[i];
    bool parsed = !row->fallback || value_parse(&options->values[i], row, row->fallback);
    assert(parsed && "a default in the table is not one that its row accepts");
    (void)parsed;
  }
  return options;
}

void options_free(struct options *options) {
  if (!options) return;
  for (size_t i = 0; i < options->table->count; i++) free(options->values[i].joined);
  free(options->paths);
  free(options);
}

/* The words on the command line that are still to be read. */
struct cursor {
  int count;
  char *const *words;
  int next;
};

static int store(struct options *options, size_t index, const char *source, const char *text) {
  const struct option_row *row = &options->table->rows[index];
  if (!value_parse(&options->values[index], row, text)) {
    return refuse_value(options, row, source, text);
  }
  options->values[index].given = true;
  return 0;
}

/* Reads the value of a row: `attached` to its option, or the next word. */
static int read_value(struct options *options, size_t index, const char *source,
                      const char *attached, struct cursor *cursor) {
  const struct option_row *row = &options->table->rows[index];
  if (!attached && cursor->next == cursor->count) {
    return refuse(options, "%s needs a value: write %s %s", source, source, row->argument);
  }
  const char *text = attached ? attached : cursor->words[cursor->next++];
  return store(options, index, source, text);
}

static bool applies(const struct option_table *table, const struct option_row *row) {
  return (row->commands & table->command) != 0;
}

static int options_refuse_name(const struct options *options, const char *name, size_t size) {
  const struct option_table *table = options->table;
  const char *known[KNOWN_MAX];
  size_t count = 0;
  char word[SOURCE_SIZE_MAX];
  snprintf(word, sizeof word, "%.*s", (int)(size < sizeof word ? size : sizeof word - 1), name);
  for (size_t i = 0; i < table->count && count < KNOWN_MAX; i++) {
    const struct option_row *row = &table->rows[i];
    if (row->name && applies(table, row)) known[count++] = row->name;
  }
  const char *nearest = text_nearest(word, known, count);
  if (nearest) return refuse(options, "unknown option --%s: did you mean --%s?", word, nearest);
  return refuse(options, "unknown option --%s", word);
}

static int refuse_elsewhere(const struct options *options, const char *source) {
  return refuse(options, "%s is not an option of %s", source, options->table->command_name);
}

/* The row of that name, of the command's own, where it has one; `count` of the table: there is none. */
static size_t find_row(const struct option_table *table, const char *name, size_t size) {
  size_t found = table->count;
  for (size_t i = 0; i < table->count; i++) {
    const struct option_row *row = &table->rows[i];
    bool is_named = row->name && strlen(row->name) == size && strncmp(name, row->name, size) == 0;
    if (is_named && applies(table, row)) return i;
    if (is_named && found == table->count) found = i;
  }
  return found;
}

/* `word` is behind the dashes: "name" or "name=value". */
static int read_long(struct options *options, const char *word, struct cursor *cursor) {
  const struct option_table *table = options->table;
  size_t size = strcspn(word, "=");
  const size_t index = find_row(table, word, size);
  if (index == table->count) return options_refuse_name(options, word, size);
  const struct option_row *row = &table->rows[index];
  char source[SOURCE_SIZE_MAX];
  snprintf(source, sizeof source, "--%s", row->name);
  if (!applies(table, row)) return refuse_elsewhere(options, source);
  const char *attached = word[size] == '=' ? word + size + 1 : NULL;
  if (row->kind != OPTION_FLAG) return read_value(options, index, source, attached, cursor);
  if (attached) return refuse(options, "%s takes no value: write %s alone", source, source);
  return store(options, index, source, "1");
}

/* `letters` is behind the dash: flags, and at most one option with a value, which ends the word. */
static int read_short(struct options *options, const char *letters, struct cursor *cursor) {
  const struct option_table *table = options->table;
  for (; *letters; letters++) {
    const char source[] = {'-', *letters, '\0'};
    size_t index = 0;
    while (index < table->count && table->rows[index].letter != *letters) index++;
    if (index == table->count) return refuse(options, "unknown option %s", source);
    if (!applies(table, &table->rows[index])) return refuse_elsewhere(options, source);
    if (table->rows[index].kind != OPTION_FLAG) {
      const char *attached = letters[1] != '\0' ? letters + 1 : NULL;
      return read_value(options, index, source, attached, cursor);
    }
    if (store(options, index, source, "1") != 0) return -1;
  }
  return 0;
}

int options_read_arguments(struct options *options, int count, char *const *arguments, char *error,
                           size_t error_size) {
  options->error = error;
  options->error_size = error_size;
  struct cursor cursor = {count, arguments, 0};
  bool options_ended = false;
  assert(!options->paths);
  options->paths = calloc((size_t)count + 1, sizeof *options->paths);
  if (!options->paths) {
    refuse(options, "out of memory");
    return -2;
  }
  while (cursor.next < cursor.count) {
    const char *word = cursor.words[cursor.next++];
    int rc = 0;
    if (options_ended || word[0] != '-' || word[1] == '\0') {
      options->paths[options->path_count++] = word;
      options_ended = options_ended || options->table->word_ends_options;
    } else if (strcmp(word, "--") == 0) {
      options_ended = true;
    } else if (word[1] == '-') {
      rc = read_long(options, word + 2, &cursor);
    } else {
      rc = read_short(options, word + 1, &cursor);
    }
    if (rc != 0) return rc;
  }
  return 0;
}

int options_read_environment(struct options *options, char *error, size_t error_size) {
  options->error = error;
  options->error_size = error_size;
  for (size_t i = 0; i < options->table->count; i++) {
    const struct option_row *row = &options->table->rows[i];
    if (!row->env || !applies(options->table, row) || options->values[i].given) continue;
    const char *text = getenv(row->env);
    if (!text || !*text) continue;
    if (!value_parse(&options->values[i], row, text)) {
      return refuse_value(options, row, row->env, text);
    }
  }
  return 0;
}

/* The value of a row, of one of `kinds` (bits), that the caller knows to be there; a typing error of ours ends the program. */
static const struct value *options_find(const struct options *options, const char *name,
                                        unsigned kinds) {
  const struct value *found = NULL;
  for (size_t i = 0; i < options->table->count; i++) {
    const struct option_row *row = &options->table->rows[i];
    const char *row_name = row->name ? row->name : row->env;
    bool is_meant = (kinds & 1u << row->kind) && strcmp(row_name, name) == 0;
    if (is_meant && (!found || applies(options->table, row))) found = &options->values[i];
  }
  if (found) return found;
  fprintf(stderr, "the option table has no row \"%s\" of that kind\n", name);
  abort();
}

bool options_flag(const struct options *options, const char *name) {
  return options_find(options, name, 1u << OPTION_FLAG)->number != 0;
}

const char *options_string(const struct options *options, const char *name) {
  return options_find(options, name, 1u << OPTION_STRING | 1u << OPTION_LIST)->string;
}

bool options_given(const struct options *options, const char *name) {
  return options_find(options, name, 1u << OPTION_STRING | 1u << OPTION_LIST | 1u << OPTION_SECONDS)
      ->given;
}

int64_t options_number(const struct options *options, const char *name) {
  return options_find(options, name, 1u << OPTION_SECONDS | 1u << OPTION_SIZE | 1u << OPTION_INT)
      ->number;
}

int options_choice(const struct options *options, const char *name) {
  return (int)options_find(options, name, 1u << OPTION_CHOICE)->number;
}

const char *const *options_paths(const struct options *options, size_t *count) {
  *count = options->path_count;
  return options->paths;
}
