# Finds c-ares as Cares::Cares, the static library before the shared one.
#
# To choose one by hand: -DCARES_INCLUDE_DIR=... -DCARES_LIBRARY=...

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(CARES_PC QUIET libcares)
endif()
find_path(CARES_INCLUDE_DIR ares.h HINTS ${CARES_PC_INCLUDE_DIRS} ${CARES_PC_INCLUDEDIR})
find_library(CARES_LIBRARY NAMES libcares_static.a libcares.a cares
  HINTS ${CARES_PC_LIBRARY_DIRS} ${CARES_PC_LIBDIR})

if(CARES_INCLUDE_DIR)
  file(STRINGS "${CARES_INCLUDE_DIR}/ares_version.h" line
    REGEX "#define[ \t]+ARES_VERSION_STR[ \t]+\"")
  string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" CARES_VERSION "${line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Cares
  REQUIRED_VARS CARES_LIBRARY CARES_INCLUDE_DIR
  VERSION_VAR CARES_VERSION
  REASON_FAILURE_MESSAGE "c-ares 1.18 or later and its headers are needed.
  Debian, Ubuntu:  apt install libc-ares-dev
  Fedora:          dnf install c-ares-devel
  Alpine:          apk add c-ares-dev
  Arch:            pacman -S c-ares
  macOS:           brew install c-ares
  elsewhere:       -DCARES_INCLUDE_DIR=DIR -DCARES_LIBRARY=FILE")

if(Cares_FOUND AND NOT TARGET Cares::Cares)
  include(ImportLibrary)
  import_library(Cares::Cares "${CARES_INCLUDE_DIR}" "${CARES_LIBRARY}")
endif()
mark_as_advanced(CARES_INCLUDE_DIR CARES_LIBRARY)
