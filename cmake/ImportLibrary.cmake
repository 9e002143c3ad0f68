# import_library(NAME::NAME INCLUDE_DIR LIBRARY...): what a Find module has found, as a target.
#
# The program exports symbols for Lua modules. A module that brings one of these libraries with it (luv
# has libuv) must not find half of ours before its own: what is static is kept to ourselves.
function(import_library target include_dir)
  add_library(${target} INTERFACE IMPORTED)
  target_include_directories(${target} SYSTEM INTERFACE "${include_dir}")
  target_link_libraries(${target} INTERFACE ${ARGN})
  foreach(library IN LISTS ARGN)
    if(library MATCHES "\\.a$" AND NOT APPLE)
      get_filename_component(file "${library}" NAME)
      target_link_options(${target} INTERFACE "LINKER:--exclude-libs,${file}")
    endif()
  endforeach()
endfunction()
