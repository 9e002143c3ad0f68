# Finds LMDB as Lmdb::Lmdb, the static library before the shared one. Optional: moonport.shared.
#
# To choose one by hand: -DLMDB_INCLUDE_DIR=... -DLMDB_LIBRARY=...

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(LMDB_PC QUIET lmdb)
endif()
find_path(LMDB_INCLUDE_DIR lmdb.h HINTS ${LMDB_PC_INCLUDE_DIRS} ${LMDB_PC_INCLUDEDIR})
find_library(LMDB_LIBRARY NAMES liblmdb.a lmdb
  HINTS ${LMDB_PC_LIBRARY_DIRS} ${LMDB_PC_LIBDIR})

if(LMDB_INCLUDE_DIR)
  file(STRINGS "${LMDB_INCLUDE_DIR}/lmdb.h" lines
    REGEX "#define[ 	]+MDB_VERSION_(MAJOR|MINOR|PATCH)[ 	]+[0-9]+")
  string(REGEX REPLACE "[^0-9;]*([0-9]+)[^0-9;]*" "\\1" numbers "${lines}")
  list(JOIN numbers "." LMDB_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Lmdb
  REQUIRED_VARS LMDB_LIBRARY LMDB_INCLUDE_DIR
  VERSION_VAR LMDB_VERSION
  REASON_FAILURE_MESSAGE "without LMDB 0.9 and its headers there is no moonport.shared.
  Debian, Ubuntu:  apt install liblmdb-dev
  Fedora:          dnf install lmdb-devel
  Alpine:          apk add lmdb-dev
  Arch:            pacman -S lmdb
  elsewhere:       -DLMDB_INCLUDE_DIR=DIR -DLMDB_LIBRARY=FILE")

if(Lmdb_FOUND AND NOT TARGET Lmdb::Lmdb)
  include(ImportLibrary)
  import_library(Lmdb::Lmdb "${LMDB_INCLUDE_DIR}" "${LMDB_LIBRARY}")
endif()
mark_as_advanced(LMDB_INCLUDE_DIR LMDB_LIBRARY)
