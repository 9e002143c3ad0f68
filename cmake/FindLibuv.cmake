# Finds libuv as Libuv::Libuv, the static library (libuv_a.a, libuv.a) before the shared one.
#
# To choose one by hand: -DLIBUV_INCLUDE_DIR=... -DLIBUV_LIBRARY=...

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(LIBUV_PC QUIET libuv)
endif()
find_path(LIBUV_INCLUDE_DIR uv.h HINTS ${LIBUV_PC_INCLUDE_DIRS} ${LIBUV_PC_INCLUDEDIR})
find_library(LIBUV_LIBRARY NAMES libuv_a.a libuv.a uv
  HINTS ${LIBUV_PC_LIBRARY_DIRS} ${LIBUV_PC_LIBDIR})

if(LIBUV_INCLUDE_DIR)
  set(LIBUV_VERSION "")
  foreach(part MAJOR MINOR PATCH)
    file(STRINGS "${LIBUV_INCLUDE_DIR}/uv/version.h" line
      REGEX "#define[ \t]+UV_VERSION_${part}[ \t]+[0-9]")
    string(REGEX REPLACE ".*[ \t]([0-9]+).*" "\\1" number "${line}")
    list(APPEND LIBUV_VERSION "${number}")
  endforeach()
  string(REPLACE ";" "." LIBUV_VERSION "${LIBUV_VERSION}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Libuv
  REQUIRED_VARS LIBUV_LIBRARY LIBUV_INCLUDE_DIR
  VERSION_VAR LIBUV_VERSION
  REASON_FAILURE_MESSAGE "libuv 1.44 or later and its headers are needed.
  Debian, Ubuntu:  apt install libuv1-dev
  Fedora:          dnf install libuv-devel
  Alpine:          apk add libuv-dev
  Arch:            pacman -S libuv
  macOS:           brew install libuv
  elsewhere:       -DLIBUV_INCLUDE_DIR=DIR -DLIBUV_LIBRARY=FILE")

if(Libuv_FOUND AND NOT TARGET Libuv::Libuv)
  include(ImportLibrary)
  import_library(Libuv::Libuv "${LIBUV_INCLUDE_DIR}" "${LIBUV_LIBRARY}")
  find_package(Threads REQUIRED)
  target_link_libraries(Libuv::Libuv INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
endif()
mark_as_advanced(LIBUV_INCLUDE_DIR LIBUV_LIBRARY)
