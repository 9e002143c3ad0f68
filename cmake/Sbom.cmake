# The target `sbom`: what this build has of others, as sbom.cdx.json (CycloneDX). cmake/sbom.lua, which the
# program itself runs, adds what the loader finds, and which packages of Debian all of it is from.

# sbom_line(NAME VERSION LICENSE FILE...): a library or a page that the program has, or is linked with.
set(sbom_lines "")
function(sbom_line name version license)
  foreach(file IN LISTS ARGN)
    string(APPEND sbom_lines "${name}\t${version}\t${license}\t${file}\n")
  endforeach()
  set(sbom_lines "${sbom_lines}" PARENT_SCOPE)
endfunction()

set(sbom_lua "${LUA54_LIBRARY}")
if(MOONPORT_LUA_SOURCE)
  set(sbom_lua "${MOONPORT_LUA_SOURCE}/")
endif()
set(sbom_libuv "${LIBUV_LIBRARY}")
if(MOONPORT_LIBUV_SOURCE)
  set(sbom_libuv "${MOONPORT_LIBUV_SOURCE}/")
endif()
sbom_line(moonport "${PROJECT_VERSION}" MIT -)
sbom_line(lua "${LUA54_VERSION}" MIT "${sbom_lua}")
sbom_line(libuv "${LIBUV_VERSION}" MIT "${sbom_libuv}")
sbom_line(jansson "${JANSSON_VERSION}" MIT "${JANSSON_LIBRARY}")
sbom_line(c-ares "${CARES_VERSION}" MIT "${CARES_LIBRARY}")
sbom_line(openssl "${OPENSSL_VERSION}" Apache-2.0 "${OPENSSL_SSL_LIBRARY}")
sbom_line(zlib "${ZLIB_VERSION}" Zlib "${ZLIB_LIBRARY}")
if(Lmdb_FOUND AND NOT MOONPORT_PORTABLE)
  sbom_line(lmdb "${LMDB_VERSION}" OLDAP-2.8 "${LMDB_LIBRARY}")
endif()
if(Libedit_FOUND)
  # One of several files, which are libraries of their own: what they are, their packages say.
  sbom_line("" "" "" ${LIBEDIT_LIBRARY})
endif()
if(CodeMirror_FOUND)
  sbom_line(codemirror "${CODEMIRROR_VERSION}" MIT "${CODEMIRROR_DIR}/lib/codemirror.js")
endif()
file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/sbom.txt" CONTENT "${sbom_lines}")

add_custom_target(sbom
  COMMAND moonport run "${PROJECT_SOURCE_DIR}/cmake/sbom.lua" "${PROJECT_BINARY_DIR}/sbom.txt"
    $<TARGET_FILE:moonport> "${PROJECT_BINARY_DIR}/sbom.cdx.json"
  DEPENDS moonport
  COMMENT "Writing down what is in the program"
  VERBATIM)
