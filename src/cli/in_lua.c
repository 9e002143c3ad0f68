/* cli/in_lua.c — a command that is written in Lua: what the command line says, as a table. Knows no
 * command. */
#include "cli/in_lua.h"

#include "base/control_peer.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/settings.h"
#include "server/program.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char code[] = "require('moonport.cli').run(...)";

static void set_string(lua_State *L, const char *name, const char *text) {
  lua_pushstring(L, text); /* nil for NULL */
  lua_setfield(L, -2, name);
}

static void push_list(lua_State *L, const char *const *texts, size_t count) {
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, texts[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_value(lua_State *L, const struct options *options, const struct option_row *row) {
  switch (row->kind) {
    case OPTION_FLAG: lua_pushboolean(L, options_flag(options, row->name)); break;
    case OPTION_STRING:
    case OPTION_LIST: lua_pushstring(L, options_string(options, row->name)); break;
    case OPTION_SECONDS:
      lua_pushnumber(L, (lua_Number)options_number(options, row->name) / 1000);
      break;
    case OPTION_SIZE:
    case OPTION_INT: lua_pushinteger(L, options_number(options, row->name)); break;
    case OPTION_CHOICE: lua_pushstring(L, row->choices[options_choice(options, row->name)]); break;
  }
}

/* The options that the command has. */
static void push_options(lua_State *L, const struct command_call *call) {
  lua_newtable(L);
  for (size_t i = 0; i < call->table->option_count; i++) {
    const struct option_row *row = &call->table->options[i];
    if (!row->name || !(row->commands & call->command->bit)) continue;
    push_value(L, call->options, row);
    lua_setfield(L, -2, row->name);
  }
  if (call->control) set_string(L, "control", call->control);
}

/* --- The table of commands and options, for help, man page and completions ---------------------- */

static void push_command(lua_State *L, const struct command *command) {
  static const char *const kinds[] = {"other", "scripts", "commands", "program"};
  lua_newtable(L);
  set_string(L, "name", command->name);
  set_string(L, "words", command->words);
  set_string(L, "kind", kinds[command->words_kind]);
  set_string(L, "summary", command->summary);
  lua_pushboolean(L, command->hidden);
  lua_setfield(L, -2, "hidden");
}

static void push_option(lua_State *L, const struct command_table *table,
                        const struct option_row *row) {
  char accepted[OPTION_DESCRIPTION_SIZE_MAX];
  const char letter[] = {row->letter, '\0'};
  size_t choices = 0;
  lua_newtable(L);
  set_string(L, "name", row->name);
  set_string(L, "letter", row->letter ? letter : NULL);
  set_string(L, "argument", row->argument);
  set_string(L, "env", row->env);
  set_string(L, "help", row->help);
  set_string(L, "fallback", row->fallback_note ? row->fallback_note : row->fallback);
  /* What a number or a word may be is worth telling; that an ADDR is some ADDR is not. */
  if (row->kind != OPTION_FLAG && row->kind != OPTION_STRING) {
    option_describe(row, accepted, sizeof accepted);
    set_string(L, "accepted", accepted);
  }
  while (row->choices && row->choices[choices]) choices++;
  push_list(L, row->choices, choices);
  lua_setfield(L, -2, "choices");
  lua_pushboolean(L, row->hidden);
  lua_setfield(L, -2, "hidden");
  lua_newtable(L);
  for (size_t i = 0; i < table->command_count; i++) {
    lua_pushboolean(L, (row->commands & table->commands[i].bit) != 0);
    lua_setfield(L, -2, table->commands[i].name);
  }
  lua_setfield(L, -2, "commands");
}

static void set_table(lua_State *L, const struct command_table *table) {
  lua_newtable(L);
  for (size_t i = 0; i < table->command_count; i++) {
    push_command(L, &table->commands[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "command_rows");
  lua_newtable(L);
  for (size_t i = 0; i < table->option_count; i++) {
    push_option(L, table, &table->options[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "option_rows");
}

/* --- The program --------------------------------------------------------------------------------- */

void in_lua_push_call(lua_State *L, const struct command_call *call) {
  luaL_requiref(L, "moonport.cli.core", core_open, false);
  lua_pop(L, 1);
  lua_newtable(L);
  set_string(L, "command", call->command->name);
  set_string(L, "version", MOONPORT_VERSION);
  set_string(L, "facts", call->facts);
  push_options(L, call);
  lua_setfield(L, -2, "options");
  push_list(L, call->words, call->word_count);
  lua_setfield(L, -2, "words");
  set_table(L, call->table);
}

static int push_call(lua_State *L, const void *context) {
  in_lua_push_call(L, context);
  return 1;
}

int in_lua_run(const struct command_call *call) {
  const char *lua_dir = getenv("MOONPORT_LUA_DIR"); /* help comes before the environment is read */
  struct log *log = settings_log_new(call->options, LOG_PROSE);
  const struct program_options options = {
      .log = log,
      .code = code,
      .push = push_call,
      .context = call,
      .lua_dir = lua_dir && *lua_dir ? lua_dir : NULL,
  };
  int exit_code = log ? program_run(&options) : EXIT_AT_FAULT;
  log_free(log);
  return exit_code;
}

int in_lua_ask(const struct command_call *call) {
  struct control_address address;
  bool wanted;
  int exit_code = settings_read_control(call, &address, &wanted);
  if (exit_code != EXIT_DONE || !wanted)
    return exit_code == EXIT_DONE ? in_lua_run(call) : exit_code;
  struct command_call found = *call;
  char several[CONTROL_MESSAGE_BYTES];
  const struct control_address first = address;
  if (!control_choose(&address, options_string(call->options, "control"), several,
                      sizeof several)) {
    fprintf(stderr, "moonport: %s\n", several);
    return EXIT_AT_FAULT;
  }
  if (strcmp(first.text, address.text) != 0) found.control = address.text;
  return in_lua_run(&found);
}
