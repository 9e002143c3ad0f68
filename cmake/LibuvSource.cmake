# Libuv::Libuv from an unpacked source (-DMOONPORT_LIBUV_SOURCE=DIR), by libuv's own CMakeLists.txt,
# with the sanitizers of the program.

if(NOT EXISTS "${MOONPORT_LIBUV_SOURCE}/CMakeLists.txt")
  message(FATAL_ERROR "MOONPORT_LIBUV_SOURCE: there is no CMakeLists.txt in ${MOONPORT_LIBUV_SOURCE}")
endif()
message(STATUS "libuv is compiled from ${MOONPORT_LIBUV_SOURCE}")
set(LIBUV_BUILD_TESTS OFF CACHE BOOL "" FORCE)
set(LIBUV_BUILD_BENCH OFF CACHE BOOL "" FORCE)
add_subdirectory("${MOONPORT_LIBUV_SOURCE}" "${PROJECT_BINARY_DIR}/libuv" EXCLUDE_FROM_ALL)
if(MOONPORT_SANITIZE)
  # Not what is undefined: libuv aligns a few structs by hand, and calls through casts.
  string(REGEX REPLACE ",?undefined" "" libuv_sanitize "${MOONPORT_SANITIZE}")
  target_compile_options(uv_a PRIVATE -fsanitize=${libuv_sanitize} -fno-omit-frame-pointer)
endif()
find_package(Threads REQUIRED)
add_library(Libuv::Libuv INTERFACE IMPORTED)
target_include_directories(Libuv::Libuv SYSTEM INTERFACE "${MOONPORT_LIBUV_SOURCE}/include")
target_link_libraries(Libuv::Libuv INTERFACE uv_a Threads::Threads ${CMAKE_DL_LIBS})
