# Finds zlib as Zlib::Zlib, the static library before the shared one.
#
# To choose one by hand: -DZLIB_INCLUDE_DIR=... -DZLIB_LIBRARY=...

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(ZLIB_PC QUIET zlib)
endif()
find_path(ZLIB_INCLUDE_DIR zlib.h HINTS ${ZLIB_PC_INCLUDE_DIRS} ${ZLIB_PC_INCLUDEDIR})
find_library(ZLIB_LIBRARY NAMES libz.a z
  HINTS ${ZLIB_PC_LIBRARY_DIRS} ${ZLIB_PC_LIBDIR})

if(ZLIB_INCLUDE_DIR)
  file(STRINGS "${ZLIB_INCLUDE_DIR}/zlib.h" line REGEX "#define[ 	]+ZLIB_VERSION[ 	]+\"")
  string(REGEX REPLACE ".*\"([0-9.]+).*" "\\1" ZLIB_VERSION "${line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Zlib
  REQUIRED_VARS ZLIB_LIBRARY ZLIB_INCLUDE_DIR
  VERSION_VAR ZLIB_VERSION
  REASON_FAILURE_MESSAGE "zlib 1.2 or later and its headers are needed.
  Debian, Ubuntu:  apt install zlib1g-dev
  Fedora:          dnf install zlib-devel
  Alpine:          apk add zlib-dev
  Arch:            pacman -S zlib
  macOS:           brew install zlib
  elsewhere:       -DZLIB_INCLUDE_DIR=DIR -DZLIB_LIBRARY=FILE")

if(Zlib_FOUND AND NOT TARGET Zlib::Zlib)
  include(ImportLibrary)
  import_library(Zlib::Zlib "${ZLIB_INCLUDE_DIR}" "${ZLIB_LIBRARY}")
endif()
mark_as_advanced(ZLIB_INCLUDE_DIR ZLIB_LIBRARY)
