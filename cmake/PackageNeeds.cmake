# PackageNeeds.cmake — run by cpack: what the program needs and dpkg-shlibdeps cannot see. It loads OpenSSL
# when it first needs it (src/net/tls/lazy.c), so it is not linked with it.
file(REAL_PATH "${CPACK_MOONPORT_SSL}" library)
execute_process(COMMAND dpkg-query --search "${library}" OUTPUT_VARIABLE found RESULT_VARIABLE rc)
if(NOT rc EQUAL 0 OR NOT found MATCHES "^([^:]+)")
  message(FATAL_ERROR "${library} is of no package of Debian's, so the package could not say that it "
    "needs it: build with the OpenSSL of libssl-dev")
endif()
set(package "${CMAKE_MATCH_1}")
# The oldest version that has all that the headers of this one promise: as shlibs says it.
string(REGEX MATCH "^[0-9]+\\.[0-9]+" version "${CPACK_MOONPORT_SSL_VERSION}")
set(CPACK_DEBIAN_PACKAGE_DEPENDS "${package} (>= ${version})")
