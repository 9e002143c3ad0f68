# How our C is compiled. What links moonport_compile, or moonport_core, is compiled the same way.
add_library(moonport_compile INTERFACE)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# The program exports Lua's functions to C modules (FindLua54.cmake), and nothing of its own.
set(CMAKE_C_VISIBILITY_PRESET hidden)

target_compile_definitions(moonport_compile INTERFACE _GNU_SOURCE)
target_compile_options(moonport_compile INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion -Wno-sign-conversion
  $<$<BOOL:${MOONPORT_WERROR}>:-Werror>
  # Profilers and sanitizers walk the stack by it; it costs next to nothing.
  -fno-omit-frame-pointer)

if(MOONPORT_SANITIZE)
  # A report ends the program, so that no test can pass over one.
  target_compile_options(moonport_compile INTERFACE
    -fsanitize=${MOONPORT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(moonport_compile INTERFACE -fsanitize=${MOONPORT_SANITIZE})
endif()

if(CMAKE_BUILD_TYPE MATCHES "^Rel" AND NOT MOONPORT_SANITIZE)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT lto_supported OUTPUT lto_output LANGUAGES C)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${lto_supported})
endif()
