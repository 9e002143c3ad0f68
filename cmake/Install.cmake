# What `cmake --install` puts where. The program itself needs none of the rest.
install(TARGETS moonport RUNTIME)
install(DIRECTORY scripts/ DESTINATION "${CMAKE_INSTALL_DATADIR}/moonport/scripts"
  OPTIONAL FILES_MATCHING PATTERN "*.lua")
# For editors: LuaCATS definitions of everything a script can name.
install(DIRECTORY lua/meta/ DESTINATION "${CMAKE_INSTALL_DATADIR}/moonport/meta"
  OPTIONAL FILES_MATCHING PATTERN "*.lua")
# What --welcome can serve until somebody puts a script there.
install(FILES deploy/welcome.lua DESTINATION "${CMAKE_INSTALL_DATADIR}/moonport")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# The program prints its own manual page and completions, so it has to run here. It does so as soon as it is
# built, by whichever target: what is there can be installed.
if(NOT CMAKE_CROSSCOMPILING)
  # install_output(NAME, FOLDER, ARGUMENT...): what the program prints is installed as FOLDER/NAME.
  function(install_output name folder)
    set(page "${PROJECT_BINARY_DIR}/pages/${folder}/${name}")
    add_custom_command(TARGET moonport POST_BUILD
      COMMAND ${CMAKE_COMMAND} -E make_directory "${PROJECT_BINARY_DIR}/pages/${folder}"
      COMMAND moonport ${ARGN} > "${page}"
      VERBATIM)
    install(FILES "${page}" DESTINATION "${folder}")
  endfunction()

  install_output(moonport.1 "${CMAKE_INSTALL_MANDIR}/man1" help --man)
  install_output(moonport "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" completions bash)
  install_output(_moonport "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" completions zsh)
  install_output(moonport.fish "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d"
    completions fish)
endif()
