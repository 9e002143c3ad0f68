/* cli/help.c — `moonport help [COMMAND]`: the table of commands and options as text for people. */
#include "cli/help.h"

#include "cli/man.h"
#include "cli/table.h"

#include <string.h>

/* Where the right column starts. */
#define COLUMN 27

static const char title[] = "moonport: a socket server whose behaviour is a Lua script";

static const char exit_codes[] =
    "\nexit codes:\n"
    "  0  done\n"
    "  1  the script, the address or the server is at fault; standard error says how\n"
    "  2  the command line is\n";

void help_describe_notes(const struct option_row *row, char *out, size_t size) {
  char accepted[OPTION_DESCRIPTION_SIZE_MAX] = "";
  const char *fallback = row->fallback_note != NULL ? row->fallback_note : row->fallback;
  const char *env = row->name != NULL ? row->env : NULL;
  /* What a number or a word may be is worth telling; that an ADDR is some ADDR is not. */
  if (row->kind != OPTION_FLAG && row->kind != OPTION_STRING) {
    option_describe(row, accepted, sizeof accepted);
  }
  bool gap1 = *accepted != '\0' && (fallback != NULL || env != NULL);
  bool gap2 = fallback != NULL && env != NULL;
  (void)snprintf(out, size, "%s%s%s%s%s%s", accepted, gap1 ? "; " : "",
                 fallback != NULL ? "default " : "", fallback != NULL ? fallback : "",
                 gap2 ? "; " : "", env != NULL ? env : "");
}

/* Two columns; a left one that is too long pushes the right one to a line of its own. */
static void print_columns(FILE *out, const char *left, const char *right) {
  if (strlen(left) >= COLUMN) {
    (void)fprintf(out, "%s\n%*s%s\n", left, COLUMN, "", right);
  } else {
    (void)fprintf(out, "%-*s%s\n", COLUMN, left, right);
  }
}

static void print_option(FILE *out, const struct option_row *row) {
  char left[96];
  char notes[HELP_NOTES_SIZE_MAX];
  if (row->name == NULL) {
    (void)snprintf(left, sizeof left, "  %s=%s", row->env, row->argument);
  } else {
    char letter[] = "    ";
    if (row->letter != 0) {
      letter[0] = '-';
      letter[1] = row->letter;
      letter[2] = ',';
    }
    (void)snprintf(left, sizeof left, "  %s--%s%s%s", letter, row->name,
                   row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "");
  }
  print_columns(out, left, row->help);
  help_describe_notes(row, notes, sizeof notes);
  if (*notes != '\0') {
    print_columns(out, "", notes);
  }
}

/* The rows of a command that have an option (`named`), or those that have only a variable. */
static void print_options(FILE *out, const struct command *command, const char *heading,
                          bool named) {
  for (size_t i = 0; i < option_count; i++) {
    const struct option_row *row = &option_rows[i];
    if ((row->commands & command->bit) == 0 || row->hidden || (row->name != NULL) != named) {
      continue;
    }
    if (heading != NULL) {
      (void)fprintf(out, "\n%s:\n", heading);
      heading = NULL;
    }
    print_option(out, row);
  }
}

static void print_command(FILE *out, const struct command *command) {
  bool may_be_left_out = command == command_default();
  (void)fprintf(out, "usage: moonport %s%s%s [OPTION...]%s%s\n\n%s\n", may_be_left_out ? "[" : "",
                command->name, may_be_left_out ? "]" : "", *command->words != '\0' ? " " : "",
                command->words, command->summary);
  print_options(out, command, "options", true);
  print_options(out, command, "environment", false);
}

static void print_overview(FILE *out) {
  (void)fprintf(out, "%s\n\nusage: moonport [COMMAND] [OPTION...] PATH...\n\ncommands:\n", title);
  for (size_t i = 0; i < command_count; i++) {
    const struct command *command = &command_rows[i];
    char left[96];
    if (command->hidden) {
      continue;
    }
    (void)snprintf(left, sizeof left, "  %s %s", command->name, command->words);
    print_columns(out, left, command->summary);
  }
  const char *name = command_default()->name;
  char heading[64];
  (void)fprintf(out, "\nWithout a command, %s is meant. Each command has a --help of its own.\n",
                name);
  (void)snprintf(heading, sizeof heading, "options of %s", name);
  print_options(out, command_default(), heading, true);
  print_options(out, command_default(), "environment", false);
}

void help_print(const struct command *command, FILE *out) {
  if (command != NULL) {
    print_command(out, command);
  } else {
    print_overview(out);
  }
  (void)fputs(exit_codes, out);
}

void help_print_short(FILE *out) {
  (void)fprintf(out,
                "%s\n\n"
                "usage: moonport [COMMAND] [OPTION...] PATH...\n"
                "  moonport echo.lua         serve this script\n"
                "  moonport check echo.lua   validate it\n"
                "  moonport --help           show every command and option\n",
                title);
}

int help_command(const struct command_call *call) {
  if (options_flag(call->options, "man")) {
    man_print(stdout);
    return EXIT_DONE;
  }
  const struct command *about = NULL;
  if (call->word_count > 0) {
    about = command_find(call->words[0]);
    if (about == NULL) {
      return command_refuse(call->command, "there is no command \"%s\"", call->words[0]);
    }
  }
  help_print(about, stdout);
  return EXIT_DONE;
}
