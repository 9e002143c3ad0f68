/* cli/in_lua.h — the commands that are written in Lua: lua/moonport/cli. */
#pragma once

#include "cli/command.h"

#include <lua.h>

/* Runs moonport.cli with what the command line says. Does not return but when it fails. */
int in_lua_run(const struct command_call *call);
/* The same for one that asks a server, once --control is one that there may be. */
int in_lua_ask(const struct command_call *call);

/* cli/core.c: the module moonport.cli.core, what Lua has no word for. */
int core_open(lua_State *L);
/* cli/editor.c: core.editor(). Pushes nothing. */
void editor_open(lua_State *L);
int editor_new(lua_State *L);

/* Pushes the call as a table: what the module of a command that is written in Lua is given. Raises. */
void in_lua_push_call(lua_State *L, const struct command_call *call);
