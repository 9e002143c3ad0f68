/* cli/completions.c — `moonport completions SHELL`: the table as a completion script. Each shell's
 * form is one function below; what they have in common is how rows are picked. */
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

static bool is_offered(const struct command *command, const struct option_row *row) {
  return row->name != NULL && !row->hidden && (row->commands & command->bit) != 0;
}

/* Prints text for inside single quotes, with a backslash before each of `special`. */
static void print_quoted(FILE *out, const char *text, const char *special, const char *quote) {
  for (; *text != '\0'; text++) {
    if (*text == '\'') {
      (void)fputs(quote, out);
      continue;
    }
    if (strchr(special, *text) != NULL) {
      (void)fputc('\\', out);
    }
    (void)fputc(*text, out);
  }
}

/* How a single quote is written inside single quotes. */
static const char posix_quote[] = "'\\''";
static const char fish_quote[] = "\\'";

static void print_choices(FILE *out, const struct option_row *row) {
  for (size_t i = 0; row->choices[i] != NULL; i++) {
    (void)fprintf(out, "%s%s", i == 0 ? "" : " ", row->choices[i]);
  }
}

/* The names of all commands, with `glue` between them. */
static void print_commands(FILE *out, const char *glue) {
  const char *before = "";
  for (size_t i = 0; i < command_count; i++) {
    if (!command_rows[i].hidden) {
      (void)fprintf(out, "%s%s", before, command_rows[i].name);
      before = glue;
    }
  }
}

/* case $before in --log-level) ... : what follows an option that takes a value. */
static void print_bash_values(FILE *out) {
  for (size_t i = 0; i < option_count; i++) {
    const struct option_row *row = &option_rows[i];
    if (row->name == NULL || row->kind == OPTION_FLAG) {
      continue;
    }
    (void)fprintf(out, "    --%s) ", row->name);
    if (row->kind == OPTION_CHOICE) {
      (void)fputs("mapfile -t COMPREPLY < <(compgen -W '", out);
      print_choices(out, row);
      (void)fputs("' -- \"$word\"); ", out);
    }
    (void)fputs("return ;;\n", out);
  }
}

static void print_bash_command(FILE *out, const struct command *command) {
  (void)fprintf(out, "    %s) options='", command->name);
  for (size_t i = 0; i < option_count; i++) {
    if (is_offered(command, &option_rows[i])) {
      (void)fprintf(out, "--%s ", option_rows[i].name);
    }
  }
  const char *kind = command->words_kind == WORDS_SCRIPTS    ? "scripts"
                     : command->words_kind == WORDS_COMMANDS ? "commands"
                                                             : "other";
  (void)fprintf(out, "' kind=%s ;;\n", kind);
}

static void print_bash(FILE *out) {
  (void)fprintf(out,
                "# Completes moonport in bash. Made by `moonport completions bash`.\n"
                "_moonport() {\n"
                "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
                "  local command=%s options= kind=\n"
                "  # bash takes --name=value for three words.\n"
                "  if [[ $word == = ]]; then word=\n"
                "  elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
                "  case $before in\n",
                command_default()->name);
  print_bash_values(out);
  (void)fputs("  esac\n"
              "  if ((COMP_CWORD > 1)); then\n"
              "    case ${COMP_WORDS[1]} in ",
              out);
  print_commands(out, "|");
  (void)fputs(") command=${COMP_WORDS[1]} ;; esac\n"
              "  fi\n"
              "  case $command in\n",
              out);
  for (size_t i = 0; i < command_count; i++) {
    if (!command_rows[i].hidden) {
      print_bash_command(out, &command_rows[i]);
    }
  }
  (void)fputs("  esac\n"
              "  if [[ $word == -* ]]; then\n"
              "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$word\")\n"
              "    return\n"
              "  fi\n"
              "  if [[ $kind == scripts ]]; then\n"
              "    mapfile -t COMPREPLY < <(compgen -f -X '!*.lua' -- \"$word\"; "
              "compgen -d -- \"$word\")\n"
              "  fi\n"
              "  if [[ $kind == commands ]] || ((COMP_CWORD == 1)); then\n"
              "    mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -W '",
              out);
  print_commands(out, " ");
  (void)fputs("' -- \"$word\")\n"
              "  fi\n"
              "}\n"
              "complete -o filenames -F _moonport moonport\n",
              out);
}

static void print_zsh_option(FILE *out, const struct option_row *row) {
  (void)fprintf(out, "        '--%s%s[", row->name, row->kind == OPTION_FLAG ? "" : "=");
  print_quoted(out, row->help, "[]:\\", posix_quote);
  (void)fputc(']', out);
  if (row->kind != OPTION_FLAG) {
    (void)fprintf(out, ":%s:", row->argument);
    if (row->kind == OPTION_CHOICE) {
      (void)fputc('(', out);
      print_choices(out, row);
      (void)fputc(')', out);
    }
  }
  (void)fputs("' \\\n", out);
}

static void print_zsh_command(FILE *out, const struct command *command) {
  (void)fprintf(out, "    %s)\n      _arguments \\\n", command->name);
  for (size_t i = 0; i < option_count; i++) {
    if (is_offered(command, &option_rows[i])) {
      print_zsh_option(out, &option_rows[i]);
    }
  }
  const char *words = command->words_kind == WORDS_SCRIPTS ? "'*:script:_files -g \"*.lua(-.)\"'"
                      : command->words_kind == WORDS_COMMANDS
                          ? "'1:command:_describe -t commands command commands'"
                          : "'*: : '";
  (void)fprintf(out, "        %s\n      ;;\n", words);
}

static void print_zsh(FILE *out) {
  (void)fputs("#compdef moonport\n"
              "# Completes moonport in zsh. Made by `moonport completions zsh`.\n"
              "_moonport() {\n"
              "  local -a commands\n"
              "  commands=(\n",
              out);
  for (size_t i = 0; i < command_count; i++) {
    if (!command_rows[i].hidden) {
      (void)fprintf(out, "    '%s:", command_rows[i].name);
      print_quoted(out, command_rows[i].summary, ":\\", posix_quote);
      (void)fputs("'\n", out);
    }
  }
  (void)fprintf(out,
                "  )\n"
                "  local command=%s\n"
                "  if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then\n"
                "    _describe -t commands command commands\n"
                "  elif [[ -n ${(M)commands:#$words[2]:*} ]]; then\n"
                "    command=$words[2]\n"
                "    shift words\n"
                "    ((CURRENT--))\n"
                "  fi\n"
                "  case $command in\n",
                command_default()->name);
  for (size_t i = 0; i < command_count; i++) {
    if (!command_rows[i].hidden) {
      print_zsh_command(out, &command_rows[i]);
    }
  }
  /* Found through fpath, the file is the function's body; sourced, it has to register itself. */
  (void)fputs("  esac\n"
              "}\n"
              "if [[ $funcstack[1] == _moonport ]]; then _moonport \"$@\"; "
              "else compdef _moonport moonport; fi\n",
              out);
}

/* When a command's options are offered: behind its name; the default's as long as no other is
 * named. */
static void print_fish_condition(FILE *out, const struct command *command) {
  if (command != command_default()) {
    (void)fprintf(out, "'__fish_seen_subcommand_from %s'", command->name);
    return;
  }
  (void)fputs("'not __fish_seen_subcommand_from", out);
  for (size_t i = 0; i < command_count; i++) {
    if (!command_rows[i].hidden && &command_rows[i] != command) {
      (void)fprintf(out, " %s", command_rows[i].name);
    }
  }
  (void)fputc('\'', out);
}

static void print_fish_option(FILE *out, const struct command *command,
                              const struct option_row *row) {
  (void)fputs("complete -c moonport -n ", out);
  print_fish_condition(out, command);
  (void)fprintf(out, " -l %s", row->name);
  if (row->letter != 0) {
    (void)fprintf(out, " -s %c", row->letter);
  }
  if (row->kind != OPTION_FLAG) {
    (void)fputs(" -x", out);
  }
  if (row->kind == OPTION_CHOICE) {
    (void)fputs(" -a '", out);
    print_choices(out, row);
    (void)fputc('\'', out);
  }
  (void)fputs(" -d '", out);
  print_quoted(out, row->help, "\\", fish_quote);
  (void)fputs("'\n", out);
}

static void print_fish_command(FILE *out, const struct command *command) {
  (void)fprintf(out, "complete -c moonport -n __fish_use_subcommand -a %s -d '", command->name);
  print_quoted(out, command->summary, "\\", fish_quote);
  (void)fputs("'\n", out);
  if (command->words_kind != WORDS_SCRIPTS) {
    (void)fputs("complete -c moonport -f -n ", out);
    print_fish_condition(out, command);
    if (command->words_kind == WORDS_COMMANDS) {
      (void)fputs(" -a '", out);
      print_commands(out, " ");
      (void)fputc('\'', out);
    }
    (void)fputc('\n', out);
  }
  for (size_t i = 0; i < option_count; i++) {
    if (is_offered(command, &option_rows[i])) {
      print_fish_option(out, command, &option_rows[i]);
    }
  }
}

static void print_fish(FILE *out) {
  (void)fputs("# Completes moonport in fish. Made by `moonport completions fish`.\n", out);
  for (size_t i = 0; i < command_count; i++) {
    if (!command_rows[i].hidden) {
      print_fish_command(out, &command_rows[i]);
    }
  }
}

int completions_command(const struct command_call *call) {
  static const struct {
    const char *name;
    void (*print)(FILE *out);
  } shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};
  for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
    if (strcmp(call->words[0], shells[i].name) == 0) {
      shells[i].print(stdout);
      return EXIT_DONE;
    }
  }
  return command_refuse(call->command, "no completions for \"%s\": there are bash, zsh and fish",
                        call->words[0]);
}
