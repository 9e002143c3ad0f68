# embed_assets(ROOT OUT FOLDER... [FROM NAME=PATH...]): every file of the folders below ROOT, and those from
# elsewhere by the names given here, become part of one C file, the table assets[] of base/assets.h: pages,
# texts and scripts that the program carries as they are.
function(embed_assets root out)
  cmake_parse_arguments(asset "" "" "FROM" ${ARGN})
  set(files "")
  foreach(folder IN LISTS asset_UNPARSED_ARGUMENTS)
    file(GLOB_RECURSE found RELATIVE "${root}" CONFIGURE_DEPENDS "${root}/${folder}/*")
    list(APPEND files ${found})
  endforeach()
  list(SORT files)
  list(TRANSFORM files PREPEND "${root}/" OUTPUT_VARIABLE depends)
  foreach(from IN LISTS asset_FROM)
    string(REPLACE "=" "\t" line "${from}")
    string(REGEX REPLACE "^[^=]*=" "" path "${from}")
    list(APPEND files "${line}")
    list(APPEND depends "${path}")
  endforeach()
  # The list is a file too: what is gone must leave the table, though no file is newer.
  set(list_file "${out}.list")
  string(REPLACE ";" "\n" names "${files}")
  file(GENERATE OUTPUT "${list_file}" CONTENT "${names}\n")
  if(NOT CMAKE_CROSSCOMPILING)
    add_executable(pack_assets "${PROJECT_SOURCE_DIR}/cmake/pack_assets.c")
    target_link_libraries(pack_assets PRIVATE moonport_compile Zlib::Zlib)
  endif()
  add_custom_command(OUTPUT "${out}"
    COMMAND ${native_pack_assets} "${root}" "${list_file}" "${out}"
    DEPENDS ${native_pack_assets} ${depends} "${list_file}"
    COMMENT "Embedding pages and lessons"
    VERBATIM)
endfunction()
