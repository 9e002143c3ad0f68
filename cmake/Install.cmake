# What `cmake --install` puts where. The program itself needs none of the rest; with --component program
# it comes alone.
set(share "${CMAKE_INSTALL_DATADIR}/moonport")
# What names the place where it is: known when it is installed, not before. First, for there are places
# that it refuses.
set(places_dir "${PROJECT_BINARY_DIR}/places")
file(MAKE_DIRECTORY "${places_dir}")
install(CODE "set(source \"${PROJECT_SOURCE_DIR}\")
set(made \"${places_dir}\")
set(bin \"${CMAKE_INSTALL_BINDIR}\")
set(share \"${share}\")
set(doc \"${CMAKE_INSTALL_DOCDIR}\")")
install(SCRIPT cmake/InstallPlaces.cmake)

install(TARGETS moonport RUNTIME COMPONENT program)
install(DIRECTORY scripts/ DESTINATION "${share}/scripts" FILES_MATCHING PATTERN "*.lua")
# For editors: LuaCATS definitions of everything a script can name.
install(DIRECTORY lua/meta/ DESTINATION "${share}/meta" FILES_MATCHING PATTERN "*.lua")
# The docs, and what they link to.
install(FILES README.md README.ko.md CHANGELOG.md SECURITY.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY docs DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY deploy DESTINATION "${CMAKE_INSTALL_DOCDIR}"
  PATTERN debian EXCLUDE PATTERN etc EXCLUDE PATTERN systemd EXCLUDE PATTERN welcome.lua EXCLUDE)
# Of the program, and of all that is linked into it.
install(FILES deploy/debian/copyright DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# The program prints its own manual page and completions as soon as it is built, by whichever target: what
# is there can be installed. In a build for another machine a native program prints them (Native.cmake).
# install_output(NAME, FOLDER, ARGUMENT...): what it prints is installed as FOLDER/NAME.
function(install_output name folder)
  set(page "${PROJECT_BINARY_DIR}/pages/${folder}/${name}")
  add_custom_command(TARGET moonport POST_BUILD
    COMMAND ${CMAKE_COMMAND} -E make_directory "${PROJECT_BINARY_DIR}/pages/${folder}"
    COMMAND ${native_moonport} ${ARGN} > "${page}"
    VERBATIM)
  install(FILES "${page}" DESTINATION "${folder}")
endfunction()

install_output(moonport.1 "${CMAKE_INSTALL_MANDIR}/man1" help --man)
install_output(moonport "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" completions bash)
install_output(_moonport "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" completions zsh)
install_output(moonport.fish "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d"
  completions fish)
