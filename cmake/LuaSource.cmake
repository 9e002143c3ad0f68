# Lua54::Lua54 from the unpacked source of a Lua 5.4 (-DMOONPORT_LUA_SOURCE=DIR, where lua.h is in DIR
# or DIR/src), compiled with the options of the program: an instrumented build instruments Lua too.
# -DMOONPORT_LUA_CHECKS=ON: with the assertions of its interpreter and of its API.

set(lua_source "${MOONPORT_LUA_SOURCE}")
if(EXISTS "${lua_source}/src/lua.h")
  set(lua_source "${lua_source}/src")
endif()
if(NOT EXISTS "${lua_source}/lua.h")
  message(FATAL_ERROR "MOONPORT_LUA_SOURCE: there is no lua.h in ${MOONPORT_LUA_SOURCE} nor in its src/")
endif()
foreach(part MAJOR MINOR RELEASE)
  file(STRINGS "${lua_source}/lua.h" line REGEX "#define[ \t]+LUA_VERSION_${part}[ \t]+\"")
  string(REGEX REPLACE ".*\"([0-9]+)\".*" "\\1" number "${line}")
  list(APPEND LUA54_VERSION "${number}")
endforeach()
string(REPLACE ";" "." LUA54_VERSION "${LUA54_VERSION}")
if(NOT LUA54_VERSION MATCHES "^5\\.4\\.")
  message(FATAL_ERROR "MOONPORT_LUA_SOURCE: ${lua_source}/lua.h is of Lua ${LUA54_VERSION}, not 5.4")
endif()
set(LUA54_IS_STATIC ON)
message(STATUS "Lua ${LUA54_VERSION} is compiled from ${lua_source}")

file(GLOB lua_files "${lua_source}/*.c")
list(FILTER lua_files EXCLUDE REGEX "/(lua|luac|onelua|ltests)\\.c$")
add_library(moonport_lua OBJECT ${lua_files})
target_include_directories(moonport_lua PUBLIC "${lua_source}")
target_compile_definitions(moonport_lua PUBLIC LUA_USE_LINUX)
# Sanitizers and optimization are those of the program; its warnings are not Lua's.
if(MOONPORT_SANITIZE)
  target_compile_options(moonport_lua PRIVATE -fsanitize=${MOONPORT_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()
if(MOONPORT_LUA_CHECKS)
  # Names without arguments: CMake drops a definition that looks like a call. assert.h comes before
  # Lua could say which declarations it wants (lprefix.h), so that is said here.
  target_compile_definitions(moonport_lua PRIVATE LUA_USE_APICHECK lua_assert=assert _GNU_SOURCE)
  target_compile_options(moonport_lua PRIVATE -UNDEBUG -include assert.h)
endif()

# Whole, with its symbols exported, as FindLua54.cmake has it.
set_target_properties(moonport_lua PROPERTIES C_VISIBILITY_PRESET default)
add_library(Lua54::Lua54 INTERFACE IMPORTED)
target_include_directories(Lua54::Lua54 SYSTEM INTERFACE "${lua_source}")
target_link_libraries(Lua54::Lua54 INTERFACE moonport_lua $<TARGET_OBJECTS:moonport_lua> m
  ${CMAKE_DL_LIBS})
target_link_options(Lua54::Lua54 INTERFACE -rdynamic)
