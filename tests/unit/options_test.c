/* options_test.c — a command line and an environment against a table of one row of each kind. */
#include "check.h"

#include "base/options.h"

#include <stdlib.h>

#define ERROR_SIZE 512
#define ARGUMENTS_MAX 16

enum { ONE = 1, OTHER = 2 };

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct option_row rows[] = {
    {.name = "loud", .letter = 'l', .env = "T_LOUD", .commands = ONE, .kind = OPTION_FLAG},
    {.name = "quick", .letter = 'q', .commands = ONE, .kind = OPTION_FLAG},
    {.name = "name",
     .letter = 'n',
     .argument = "NAME",
     .env = "T_NAME",
     .commands = ONE,
     .kind = OPTION_STRING},
    {.name = "wait",
     .argument = "SECONDS",
     .env = "T_WAIT",
     .fallback = "10",
     .commands = ONE,
     .kind = OPTION_SECONDS},
    {.name = "count",
     .argument = "N",
     .fallback = "3",
     .commands = ONE,
     .kind = OPTION_INT,
     .min = -5,
     .max = 100},
    {.name = "colour",
     .argument = "COLOUR",
     .env = "T_COLOUR",
     .fallback = "green",
     .commands = ONE,
     .kind = OPTION_CHOICE,
     .choices = colours},
    {.name = "each",
     .letter = 'e',
     .argument = "WORD,...",
     .env = "T_EACH",
     .commands = ONE,
     .kind = OPTION_LIST},
    {.argument = "DIR", .env = "T_DIR", .commands = ONE, .kind = OPTION_STRING},
    {.name = "elsewhere",
     .env = "T_ELSEWHERE",
     .argument = "N",
     .commands = OTHER,
     .kind = OPTION_INT,
     .max = 1},
};
static const struct option_table table = {rows, sizeof rows / sizeof rows[0], ONE, "one", false};

static char error[ERROR_SIZE];

/* Reads a command line, its words one space apart, then the environment. NULL: `error` says why. */
static struct options *read_line(const char *line) {
  static char words[256];
  char *arguments[ARGUMENTS_MAX];
  int count = 0;
  (void)snprintf(words, sizeof words, "%s", line);
  for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
    arguments[count++] = word;
  }
  struct options *options = options_new(&table);
  error[0] = '\0';
  if (options_read_arguments(options, count, arguments, error, sizeof error) != 0 ||
      options_read_environment(options, error, sizeof error) != 0) {
    options_free(options);
    return NULL;
  }
  return options;
}

static void gives_defaults(void) {
  struct options *options = read_line("");
  CHECK(!options_flag(options, "loud"));
  CHECK_TEXT(options_string(options, "name"), NULL);
  CHECK_TEXT(options_string(options, "T_DIR"), NULL);
  CHECK_NUMBER(options_number(options, "wait"), 10000);
  CHECK_NUMBER(options_number(options, "count"), 3);
  CHECK_NUMBER(options_choice(options, "colour"), 1);
  options_free(options);
}

static void reads_every_spelling(void) {
  static const char *const lines[] = {
      "--loud --name x --wait 0.5 --count -5 --colour blue",
      "--colour=blue --count=-5 --wait=500ms --name=x --loud",
      "-l -n x --wait 0.5 --count -5 --colour blue",
      "-lnx --wait 0.5 --count -5 --colour blue",
      "--name y --name x -l --wait 0.5 --count 7 --count -5 --colour red --colour blue",
  };
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    struct options *options = read_line(lines[i]);
    CHECK_TEXT(error, "");
    CHECK(options_flag(options, "loud"));
    CHECK(!options_flag(options, "quick"));
    CHECK_TEXT(options_string(options, "name"), "x");
    CHECK_NUMBER(options_number(options, "wait"), 500);
    CHECK_NUMBER(options_number(options, "count"), -5);
    CHECK_NUMBER(options_choice(options, "colour"), 2);
    options_free(options);
  }
}

static void takes_what_follows_as_the_value(void) {
  struct options *options = read_line("--name --loud");
  CHECK_TEXT(options_string(options, "name"), "--loud");
  CHECK(!options_flag(options, "loud"));
  options_free(options);
}

static void keeps_paths_in_order(void) {
  struct options *options = read_line("a --loud b - -- --quick -x");
  size_t count = 0;
  const char *const *paths = options_paths(options, &count);
  CHECK_NUMBER(count, 5);
  CHECK_TEXT(paths[0], "a");
  CHECK_TEXT(paths[1], "b");
  CHECK_TEXT(paths[2], "-");
  CHECK_TEXT(paths[3], "--quick");
  CHECK_TEXT(paths[4], "-x");
  CHECK(!options_flag(options, "quick"));
  options_free(options);
}

static void prefers_options_to_the_environment(void) {
  (void)setenv("T_NAME", "env", 1);
  (void)setenv("T_LOUD", "1", 1);
  (void)setenv("T_WAIT", "2m", 1);
  (void)setenv("T_COLOUR", "", 1);
  (void)setenv("T_DIR", "/d", 1);
  (void)setenv("T_ELSEWHERE", "wrong, but not asked for", 1);
  struct options *options = read_line("--name line");
  CHECK_TEXT(error, "");
  CHECK_TEXT(options_string(options, "name"), "line");
  CHECK(options_flag(options, "loud"));
  CHECK_NUMBER(options_number(options, "wait"), 120000);
  CHECK_NUMBER(options_choice(options, "colour"), 1);
  CHECK_TEXT(options_string(options, "T_DIR"), "/d");
  options_free(options);
  (void)setenv("T_LOUD", "maybe", 1);
  CHECK(read_line("") == NULL);
  CHECK_TEXT(error, "T_LOUD does not take \"maybe\": write 1 or 0");
  (void)setenv("T_LOUD", "off", 1);
  (void)setenv("T_WAIT", "soon", 1);
  CHECK(read_line("") == NULL);
  CHECK_TEXT(error, "T_WAIT does not take \"soon\": write seconds, as in 10, 0.5, 150ms or 5m");
  options = read_line("--wait 1");
  CHECK(options != NULL && !options_flag(options, "loud"));
  options_free(options);
  static const char *const names[] = {"T_NAME", "T_LOUD", "T_WAIT", "T_COLOUR", "T_DIR"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    (void)unsetenv(names[i]);
  }
}

static void joins_what_a_list_is_given(void) {
  struct options *options = read_line("--each a,b path -e c --each=d");
  CHECK_TEXT(options_string(options, "each"), "a,b,c,d");
  CHECK(options_given(options, "each"));
  options_free(options);
  options = read_line("--each=");
  CHECK_TEXT(options_string(options, "each"), "");
  options_free(options);
  (void)setenv("T_EACH", "x,y", 1);
  options = read_line("path");
  CHECK_TEXT(options_string(options, "each"), "x,y");
  CHECK(!options_given(options, "each"));
  options_free(options);
  options = read_line("-e z");
  CHECK_TEXT(options_string(options, "each"), "z");
  options_free(options);
  (void)unsetenv("T_EACH");
  options = read_line("path");
  CHECK_TEXT(options_string(options, "each"), NULL);
  options_free(options);
}

static void says_what_is_wrong(void) {
  static const struct {
    const char *line, *told;
  } wrong[] = {
      {"--lous", "unknown option --lous: did you mean --loud?"},
      {"--zebra", "unknown option --zebra"},
      {"--lous=1", "unknown option --lous: did you mean --loud?"},
      {"--elsewhere 1", "--elsewhere is not an option of one"},
      {"-z", "unknown option -z"},
      {"-lz", "unknown option -z"},
      {"--loud=1", "--loud takes no value: write --loud alone"},
      {"--name", "--name needs a value: write --name NAME"},
      {"-n", "-n needs a value: write -n NAME"},
      {"--name=", "--name does not take \"\": write some NAME"},
      {"--wait never", "--wait does not take \"never\": write seconds, as in 10, 0.5, 150ms or 5m"},
      {"--count 101", "--count does not take \"101\": write a whole number from -5 to 100"},
      {"--count -6", "--count does not take \"-6\": write a whole number from -5 to 100"},
      {"--count 1x", "--count does not take \"1x\": write a whole number from -5 to 100"},
      {"--count +1", "--count does not take \"+1\": write a whole number from -5 to 100"},
      {"--count 99999999999999999999",
       "--count does not take \"99999999999999999999\": write a whole number from -5 to 100"},
      {"--colour pink", "--colour does not take \"pink\": write red, green or blue"},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    struct options *options = read_line(wrong[i].line);
    CHECK(options == NULL);
    CHECK_TEXT(error, wrong[i].told);
    options_free(options);
  }
}

static const struct check_case cases[] = {
    {"what nobody gives has its default", gives_defaults},
    {"options are read in every spelling, and the last one counts", reads_every_spelling},
    {"the word behind an option is its value, whatever it looks like",
     takes_what_follows_as_the_value},
    {"paths keep their order, and all is a path behind --", keeps_paths_in_order},
    {"an option beats the environment, which beats the default",
     prefers_options_to_the_environment},
    {"a list is what it is given, joined by commas", joins_what_a_list_is_given},
    {"a wrong word is named with what would be right", says_what_is_wrong},
};
CHECK_MAIN(cases)
