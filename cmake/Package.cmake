# What cpack makes a package for Debian of: an installation with the prefix /usr (./dev package deb).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME moonport)
set(CPACK_PACKAGE_CONTACT "moonport authors <authors@moonport.invalid>" CACHE STRING
  "Who answers for the package: NAME <ADDRESS>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "socket server whose behaviour is a Lua script")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "moonport listens on TCP, UDP and Unix sockets, accepts, reads and writes;
what happens to the bytes is said by a script in Lua, which is live within a
second after it was saved. TLS, HTTP, WebSocket and PROXY protocol are there;
with several processes, connections survive an upgrade of the program.
.
The Lua interpreter is inside. Once enabled, moonport.service serves the
scripts of /etc/moonport; it has next to no rights. moonport trace, console
and inspect show what the sockets do while it happens.")
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Whom outgoing TLS trusts; and what docs/library.md tells of first.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "lua-filesystem, lua-lpeg, netcat-openbsd")
if(CMAKE_CROSSCOMPILING AND CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE arm64) # elsewhere it is that of dpkg
endif()
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
foreach(file conffiles postinst prerm postrm)
  list(APPEND CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/deploy/debian/${file}")
endforeach()
set(CPACK_SET_DESTDIR ON) # so that /etc is /etc
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PROJECT_CONFIG_FILE "${PROJECT_SOURCE_DIR}/cmake/PackageNeeds.cmake")
set(CPACK_PRE_BUILD_SCRIPTS "${PROJECT_SOURCE_DIR}/cmake/PackageFiles.cmake")
set(CPACK_MOONPORT_SSL "${OPENSSL_SSL_LIBRARY}")
set(CPACK_MOONPORT_SSL_VERSION "${OPENSSL_VERSION}")
set(CPACK_MOONPORT_SOURCE "${PROJECT_SOURCE_DIR}")
set(CPACK_VERBATIM_VARIABLES ON)
# Of that one cpack asks nothing to be built first: of make it would ask all, tests included.
set(CPACK_CMAKE_GENERATOR Ninja)
include(CPack)
