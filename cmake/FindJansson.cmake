# Finds jansson as Jansson::Jansson, the static library before the shared one.
#
# To choose one by hand: -DJANSSON_INCLUDE_DIR=... -DJANSSON_LIBRARY=...

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(JANSSON_PC QUIET jansson)
endif()
find_path(JANSSON_INCLUDE_DIR jansson.h
  HINTS ${JANSSON_PC_INCLUDE_DIRS} ${JANSSON_PC_INCLUDEDIR})
find_library(JANSSON_LIBRARY NAMES libjansson.a jansson
  HINTS ${JANSSON_PC_LIBRARY_DIRS} ${JANSSON_PC_LIBDIR})

if(JANSSON_INCLUDE_DIR)
  file(STRINGS "${JANSSON_INCLUDE_DIR}/jansson.h" line
    REGEX "#define[ \t]+JANSSON_VERSION[ \t]+\"")
  string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" JANSSON_VERSION "${line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Jansson
  REQUIRED_VARS JANSSON_LIBRARY JANSSON_INCLUDE_DIR
  VERSION_VAR JANSSON_VERSION
  REASON_FAILURE_MESSAGE "jansson 2.13 or later and its headers are needed.
  Debian, Ubuntu:  apt install libjansson-dev
  Fedora:          dnf install jansson-devel
  Alpine:          apk add jansson-dev
  Arch:            pacman -S jansson
  macOS:           brew install jansson
  elsewhere:       -DJANSSON_INCLUDE_DIR=DIR -DJANSSON_LIBRARY=FILE")

if(Jansson_FOUND AND NOT TARGET Jansson::Jansson)
  include(ImportLibrary)
  import_library(Jansson::Jansson "${JANSSON_INCLUDE_DIR}" "${JANSSON_LIBRARY}")
endif()
mark_as_advanced(JANSSON_INCLUDE_DIR JANSSON_LIBRARY)
