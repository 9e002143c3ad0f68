# Finds libedit as Libedit::Libedit, the static library before the shared one: the static one only
# when what it is made of (a terminfo library, and on some systems libbsd and libmd) is static too.
#
# To choose one by hand: -DLIBEDIT_INCLUDE_DIR=... -DLIBEDIT_LIBRARY=...
# To build without it: -DCMAKE_DISABLE_FIND_PACKAGE_Libedit=ON

include(CheckCSourceCompiles)

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(LIBEDIT_PC QUIET libedit)
endif()
find_path(LIBEDIT_INCLUDE_DIR histedit.h
  HINTS ${LIBEDIT_PC_INCLUDE_DIRS} ${LIBEDIT_PC_INCLUDEDIR})
find_library(LIBEDIT_STATIC_LIBRARY NAMES libedit.a
  HINTS ${LIBEDIT_PC_LIBRARY_DIRS} ${LIBEDIT_PC_LIBDIR})
find_library(LIBEDIT_SHARED_LIBRARY NAMES edit
  HINTS ${LIBEDIT_PC_LIBRARY_DIRS} ${LIBEDIT_PC_LIBDIR})

# The static library with what else is static of its parts.
set(libedit_static "${LIBEDIT_STATIC_LIBRARY}")
foreach(part tinfo ncursesw bsd md)
  find_library(LIBEDIT_${part}_LIBRARY NAMES lib${part}.a
    HINTS ${LIBEDIT_PC_LIBRARY_DIRS} ${LIBEDIT_PC_LIBDIR})
  if(LIBEDIT_${part}_LIBRARY AND NOT (part STREQUAL "ncursesw" AND LIBEDIT_tinfo_LIBRARY))
    list(APPEND libedit_static "${LIBEDIT_${part}_LIBRARY}")
  endif()
  mark_as_advanced(LIBEDIT_${part}_LIBRARY)
endforeach()

if(LIBEDIT_INCLUDE_DIR AND LIBEDIT_STATIC_LIBRARY AND NOT APPLE)
  set(CMAKE_REQUIRED_INCLUDES "${LIBEDIT_INCLUDE_DIR}")
  set(CMAKE_REQUIRED_LIBRARIES "${libedit_static}")
  check_c_source_compiles("
    #include <stdio.h>
    #include <histedit.h>
    int main(void) { return el_init(\"\", stdin, stdout, stderr) == NULL; }" LIBEDIT_STATIC_LINKS)
  unset(CMAKE_REQUIRED_INCLUDES)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
if(LIBEDIT_STATIC_LINKS)
  set(LIBEDIT_LIBRARY "${libedit_static}" CACHE STRING "libedit and what it is made of")
else()
  set(LIBEDIT_LIBRARY "${LIBEDIT_SHARED_LIBRARY}" CACHE STRING "libedit and what it is made of")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libedit REQUIRED_VARS LIBEDIT_LIBRARY LIBEDIT_INCLUDE_DIR)

if(Libedit_FOUND AND NOT TARGET Libedit::Libedit)
  include(ImportLibrary)
  import_library(Libedit::Libedit "${LIBEDIT_INCLUDE_DIR}" ${LIBEDIT_LIBRARY})
endif()
mark_as_advanced(LIBEDIT_INCLUDE_DIR LIBEDIT_LIBRARY LIBEDIT_STATIC_LIBRARY LIBEDIT_SHARED_LIBRARY)
