/* redis_fuzz.c — any bytes as what a Redis answers to moonport.redis. */
#define FUZZ_LUA "redis_fuzz.lua"
#include "lua_fuzz.h"
