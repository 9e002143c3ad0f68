# InstallPlaces.cmake — run by `cmake --install`: the units, the welcome and the configuration directory,
# which name the place where all is installed. In the source they are as for the prefix /usr.

set(prefix "${CMAKE_INSTALL_PREFIX}")
if(prefix MATCHES "[][\"'\\$%;\t\n]")
  message(FATAL_ERROR "the prefix ${prefix} has a character that the unit of systemd cannot name: "
    "give one without quotes, brackets, backslashes, $, % and semicolons")
endif()
# /usr has its configuration beside it, as everywhere; any other prefix has its own.
set(etc "${prefix}/etc/moonport")
if(prefix STREQUAL "/usr")
  set(etc "/etc/moonport")
endif()

# put(NAME FOLDER TEXT): as a file of the folder
function(put name folder text)
  file(REMOVE "${made}/${name}") # it may be root's, of an earlier time
  file(WRITE "${made}/${name}" "${text}")
  file(INSTALL DESTINATION "${folder}" TYPE FILE FILES "${made}/${name}")
  # file(INSTALL) adds to it what it has installed, for install_manifest.txt.
  set(CMAKE_INSTALL_MANIFEST_FILES "${CMAKE_INSTALL_MANIFEST_FILES}" PARENT_SCOPE)
endfunction()

# localized(FILE OUT [QUOTE]): the text of a file of the source, with the paths in it put right
function(localized file out)
  file(READ "${source}/${file}" text)
  foreach(pair "/usr/bin/moonport;${prefix}/${bin}/moonport" "/etc/moonport;${etc}"
      "/usr/share/moonport;${prefix}/${share}")
    list(GET pair 0 from)
    list(GET pair 1 to)
    string(REGEX REPLACE "([ =\n])${from}([-./_a-z]*[-/_a-z]|)" "\\1${ARGN}${to}\\2${ARGN}" text "${text}")
  endforeach()
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

# With a space in it, a path is a word of a unit only in quotes.
set(quote "")
if(prefix MATCHES " ")
  set(quote "\"")
endif()
localized(deploy/systemd/moonport.service text ${quote})
put(moonport.service "${prefix}/lib/systemd/system" "${text}")
localized(deploy/systemd/moonport.socket text ${quote})
put(moonport.socket "${prefix}/lib/systemd/system" "${text}")
localized(deploy/etc/README text ${quote})
put(README "${etc}" "${text}")

file(READ "${source}/deploy/welcome.lua" text)
string(REGEX REPLACE "local place, how = [^]]*" "local place, how = \"${etc}\", [[
It is served as soon as it is saved; more to copy from is in ${prefix}/${share}/scripts.
" here "${text}")
if(here STREQUAL text)
  message(FATAL_ERROR "deploy/welcome.lua has no line \"local place, how =\" any more")
endif()
put(welcome.lua "${prefix}/${share}" "${here}")

# README.md links to the scripts.
file(CREATE_LINK "../../moonport/scripts" "${made}/scripts" SYMBOLIC)
file(INSTALL DESTINATION "${prefix}/${doc}" FILES "${made}/scripts")
