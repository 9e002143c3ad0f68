# PackageFiles.cmake — run by cpack: what Debian wants of the files of a package, and others do not.
set(doc "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/doc/moonport")
set(man "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/man/man1")
# Nothing of now: the same commit makes the same package.
set(epoch "$ENV{SOURCE_DATE_EPOCH}")
if(NOT epoch)
  execute_process(COMMAND git -C "${CPACK_MOONPORT_SOURCE}" log -1 --format=%ct
    OUTPUT_VARIABLE epoch ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
set(ENV{SOURCE_DATE_EPOCH} "${epoch}")
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
set(version "${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")
file(WRITE "${doc}/changelog.Debian" "moonport (${version}) unstable; urgency=medium

  * What changed is in changelog.gz.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
# Its zsh looks there for completions, and leaves site-functions to /usr/local.
file(RENAME "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/zsh/site-functions"
  "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/zsh/vendor-completions")
file(RENAME "${doc}/CHANGELOG.md" "${doc}/changelog")
execute_process(COMMAND gzip -9n "${doc}/changelog.Debian" "${doc}/changelog" "${man}/moonport.1"
  COMMAND_ERROR_IS_FATAL ANY)
configure_file("${CPACK_MOONPORT_SOURCE}/deploy/debian/lintian-overrides"
  "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share/lintian/overrides/moonport" COPYONLY)
