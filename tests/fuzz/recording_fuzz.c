/* recording_fuzz.c — any bytes as a recording for moonport replay. */
#define FUZZ_LUA "recording_fuzz.lua"
#include "lua_fuzz.h"
