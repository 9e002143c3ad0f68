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

# What is built for others is the same wherever that is done: no file of it has the path of the sources. A
# debugger finds them with: set substitute-path . DIR
if(CMAKE_BUILD_TYPE MATCHES "^Rel")
  set(no_paths "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=."
    "-ffile-prefix-map=${PROJECT_BINARY_DIR}=build")
  target_compile_options(moonport_compile INTERFACE ${no_paths})
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU") # whose linker has the compiler work once more
    target_link_options(moonport_compile INTERFACE ${no_paths})
  endif()
endif()

if(MOONPORT_SANITIZE)
  # A report ends the program, so that no test can pass over one.
  target_compile_options(moonport_compile INTERFACE
    -fsanitize=${MOONPORT_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(moonport_compile INTERFACE -fsanitize=${MOONPORT_SANITIZE})
endif()

# The tests start programs by the thousand. LeakSanitizer reads all that the sanitizers' libraries
# have for data, and the loader writes an address wherever there is one: in one piece that is loaded
# where it was linked a start takes half the time. Not everywhere are those libraries there as .a.
if(MOONPORT_SANITIZE MATCHES "address" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
  include(CheckCSourceCompiles)
  set(in_one_piece -no-pie -static-libasan -static-libubsan)
  set(CMAKE_REQUIRED_FLAGS "-fsanitize=${MOONPORT_SANITIZE}")
  set(CMAKE_REQUIRED_LINK_OPTIONS ${in_one_piece})
  check_c_source_compiles("int main(void) { return 0; }" MOONPORT_SANITIZE_IN_ONE_PIECE)
  unset(CMAKE_REQUIRED_FLAGS)
  unset(CMAKE_REQUIRED_LINK_OPTIONS)
  if(MOONPORT_SANITIZE_IN_ONE_PIECE)
    target_link_options(moonport_compile INTERFACE ${in_one_piece})
  endif()
endif()

if(CMAKE_BUILD_TYPE MATCHES "^Rel" AND NOT MOONPORT_SANITIZE)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT lto_supported OUTPUT lto_output LANGUAGES C)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${lto_supported})
endif()
