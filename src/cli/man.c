/* cli/man.c — the table of commands and options as a manual page, in roff for man(7). */
#include "cli/man.h"

#include "base/version.h"
#include "cli/help.h"
#include "cli/table.h"

/* Prints text as it is: no backslash starts an escape, and a dash is one that can be copied. */
static void print_plain(FILE *out, const char *text) {
  for (; *text != '\0'; text++) {
    switch (*text) {
      case '\\': (void)fputs("\\e", out); break;
      case '-': (void)fputs("\\-", out); break;
      default: (void)fputc(*text, out); break;
    }
  }
}

/* A line of text; \& keeps a leading dot or quote from being a request. */
static void print_line(FILE *out, const char *text) {
  if (*text == '.' || *text == '\'') {
    (void)fputs("\\&", out);
  }
  print_plain(out, text);
  (void)fputc('\n', out);
}

static void print_bold(FILE *out, const char *text) {
  (void)fputs("\\fB", out);
  print_plain(out, text);
  (void)fputs("\\fR", out);
}

static void print_italic(FILE *out, const char *text) {
  (void)fputs("\\fI", out);
  print_plain(out, text);
  (void)fputs("\\fR", out);
}

static void print_commands(FILE *out) {
  (void)fputs(".SH COMMANDS\n", out);
  for (size_t i = 0; i < command_count; i++) {
    const struct command *command = &command_rows[i];
    (void)fputs(".TP\n", out);
    print_bold(out, command->name);
    (void)fputc(' ', out);
    print_italic(out, command->words);
    (void)fputc('\n', out);
    print_line(out, command->summary);
  }
}

/* "For serve, check." */
static void print_owners(FILE *out, const struct option_row *row) {
  const char *glue = "For ";
  for (size_t i = 0; i < command_count; i++) {
    if ((row->commands & command_rows[i].bit) != 0) {
      (void)fputs(glue, out);
      print_bold(out, command_rows[i].name);
      glue = ", ";
    }
  }
  (void)fputs(".\n", out);
}

static void print_option_tag(FILE *out, const struct option_row *row) {
  if (row->letter != 0) {
    const char letter[] = {'-', row->letter, '\0'};
    print_bold(out, letter);
    (void)fputs(", ", out);
  }
  (void)fputs("\\fB\\-\\-", out);
  print_plain(out, row->name);
  (void)fputs("\\fR", out);
  if (row->argument != NULL) {
    (void)fputc(' ', out);
    print_italic(out, row->argument);
  }
  (void)fputc('\n', out);
}

static void print_options(FILE *out) {
  (void)fputs(".SH OPTIONS\n"
              "An option beats its environment variable, which beats the default.\n",
              out);
  for (size_t i = 0; i < option_count; i++) {
    const struct option_row *row = &option_rows[i];
    char notes[HELP_NOTES_SIZE_MAX];
    if (row->name == NULL) {
      continue;
    }
    (void)fputs(".TP\n", out);
    print_option_tag(out, row);
    print_line(out, row->help);
    help_describe_notes(row, notes, sizeof notes);
    if (*notes != '\0') {
      (void)fputs(".br\n", out);
      print_line(out, notes);
    }
    (void)fputs(".br\n", out);
    print_owners(out, row);
  }
}

static void print_environment(FILE *out) {
  (void)fputs(".SH ENVIRONMENT\n", out);
  for (size_t i = 0; i < option_count; i++) {
    const struct option_row *row = &option_rows[i];
    if (row->env == NULL) {
      continue;
    }
    (void)fputs(".TP\n", out);
    print_bold(out, row->env);
    (void)fputc('\n', out);
    print_line(out, row->help);
  }
  (void)fputs(
      ".TP\n\\fBRUNTIME_DIRECTORY\\fR, \\fBXDG_RUNTIME_DIR\\fR\nwhere the control socket is, "
      "control.sock or moonport.sock, unless \\-\\-control says otherwise\n"
      ".TP\n\\fBcontainer\\fR\nwhat this is a container of; empty: it is none\n",
      out);
  (void)fputs(".TP\n\\fBNO_COLOR\\fR\nno colours in the log, when set and not empty\n"
              ".TP\n\\fBLUA_PATH\\fR, \\fBLUA_CPATH\\fR\nwhere scripts find modules, behind the "
              "script's own directory\n",
              out);
}

void man_print(FILE *out) {
  (void)fputs(".TH MOONPORT 1 \"\" \"moonport " MOONPORT_VERSION "\" \"User Commands\"\n"
              ".SH NAME\n"
              "moonport \\- a socket server whose behaviour is a Lua script\n"
              ".SH SYNOPSIS\n"
              ".B moonport\n"
              "[\\fICOMMAND\\fR] [\\fIOPTION\\fR...] \\fIPATH\\fR...\n"
              ".SH DESCRIPTION\n"
              "moonport listens, accepts, reads and writes; every buffer that arrives goes to a\n"
              "Lua script, which decides what to log, to reply or to close.\n"
              "Without a command, \\fBserve\\fR is meant.\n"
              "Results go to standard output, the log to standard error.\n"
              "SIGTERM and SIGINT stop accepting and let connections finish; a second one ends\n"
              "at once.\n",
              out);
  print_commands(out);
  print_options(out);
  print_environment(out);
  (void)fputs(".SH EXIT STATUS\n"
              ".TP\n.B 0\ndone\n"
              ".TP\n.B 1\nthe script, the address or the server is at fault\n"
              ".TP\n.B 2\nthe command line is at fault\n"
              ".SH EXAMPLES\n"
              ".nf\n"
              "moonport scripts/echo.lua\n"
              "moonport check scripts/\n"
              "moonport serve \\-\\-listen tcp://[::1]:7000 scripts/echo.lua\n"
              "moonport status\n"
              "moonport conns peer=127.0.0.1 state=open\n"
              ".fi\n"
              ".SH SEE ALSO\n"
              ".BR lua (1),\n"
              ".BR nc (1)\n",
              out);
}
