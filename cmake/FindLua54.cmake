# Finds Lua 5.4 as Lua54::Lua54, whatever a distribution calls it: lua5.4, lua-5.4, lua54 or lua.
#
# The static library is preferred, and linked whole with its symbols exported: then one file is the
# program, and Lua modules written in C find the functions they need in it.
#
# To choose one by hand: -DLUA54_INCLUDE_DIR=... -DLUA54_LIBRARY=...

find_package(PkgConfig QUIET)
set(lua54_hint_includes "")
set(lua54_hint_libraries "")
if(PKG_CONFIG_FOUND)
  foreach(name lua5.4 lua-5.4 lua54 lua)
    pkg_check_modules(LUA54_PC_${name} QUIET "${name}>=5.4" "${name}<5.5")
    if(LUA54_PC_${name}_FOUND)
      list(APPEND lua54_hint_includes ${LUA54_PC_${name}_INCLUDE_DIRS})
      list(APPEND lua54_hint_includes ${LUA54_PC_${name}_INCLUDEDIR})
      list(APPEND lua54_hint_libraries ${LUA54_PC_${name}_LIBRARY_DIRS})
      list(APPEND lua54_hint_libraries ${LUA54_PC_${name}_LIBDIR})
    endif()
  endforeach()
endif()

set(lua54_folders lua5.4 lua-5.4 lua54)
find_path(LUA54_INCLUDE_DIR lua.h HINTS ${lua54_hint_includes} PATH_SUFFIXES ${lua54_folders})
find_library(LUA54_LIBRARY
  NAMES liblua5.4.a liblua-5.4.a liblua54.a liblua.a lua5.4 lua-5.4 lua54 lua
  HINTS ${lua54_hint_libraries} PATH_SUFFIXES ${lua54_folders})

if(LUA54_INCLUDE_DIR)
  # "5.4.6", from three macros that every 5.4 release spells alike.
  set(LUA54_VERSION "")
  foreach(part MAJOR MINOR RELEASE)
    file(STRINGS "${LUA54_INCLUDE_DIR}/lua.h" line REGEX "#define[ \t]+LUA_VERSION_${part}[ \t]+\"")
    string(REGEX REPLACE ".*\"([0-9]+)\".*" "\\1" number "${line}")
    list(APPEND LUA54_VERSION "${number}")
  endforeach()
  string(REPLACE ";" "." LUA54_VERSION "${LUA54_VERSION}")
  if(NOT LUA54_VERSION MATCHES "^5\\.4\\.")
    set(LUA54_REASON "${LUA54_INCLUDE_DIR}/lua.h is of Lua ${LUA54_VERSION}, not 5.4.")
    unset(LUA54_INCLUDE_DIR CACHE)
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Lua54
  REQUIRED_VARS LUA54_LIBRARY LUA54_INCLUDE_DIR
  VERSION_VAR LUA54_VERSION
  REASON_FAILURE_MESSAGE "${LUA54_REASON} Lua 5.4 and its headers are needed.
  Debian, Ubuntu:  apt install liblua5.4-dev
  Fedora:          dnf install lua-devel lua-static
  Alpine:          apk add lua5.4-dev
  Arch:            pacman -S lua54
  macOS:           brew install lua@5.4
  elsewhere:       -DLUA54_INCLUDE_DIR=DIR -DLUA54_LIBRARY=FILE")

set(LUA54_IS_STATIC OFF) # the program has the very library that was found here
if(LUA54_LIBRARY MATCHES "\\.a$")
  set(LUA54_IS_STATIC ON)
endif()

if(Lua54_FOUND AND NOT TARGET Lua54::Lua54)
  add_library(Lua54::Lua54 INTERFACE IMPORTED)
  target_include_directories(Lua54::Lua54 SYSTEM INTERFACE "${LUA54_INCLUDE_DIR}")
  if(LUA54_IS_STATIC AND APPLE)
    target_link_options(Lua54::Lua54 INTERFACE "LINKER:-force_load,${LUA54_LIBRARY}")
  elseif(LUA54_IS_STATIC)
    # One item, so that CMake cannot take the three words apart.
    target_link_libraries(Lua54::Lua54 INTERFACE
      "-Wl,--whole-archive,${LUA54_LIBRARY},--no-whole-archive" m ${CMAKE_DL_LIBS})
    target_link_options(Lua54::Lua54 INTERFACE -rdynamic)
  else()
    target_link_libraries(Lua54::Lua54 INTERFACE "${LUA54_LIBRARY}" m ${CMAKE_DL_LIBS})
  endif()
endif()
mark_as_advanced(LUA54_INCLUDE_DIR LUA54_LIBRARY)
