# What the build has to run: pack_assets, and the program, which prints its own pages. In a build for another
# machine a native build of the same source makes them: MOONPORT_NATIVE, or one that is made here, by this
# machine's compiler and with its libraries.
set(native_moonport moonport)
set(native_pack_assets pack_assets)
if(CMAKE_CROSSCOMPILING)
  set(MOONPORT_NATIVE "" CACHE PATH "The directory of a native build of this source, to build for others")
  set(native_dir "${MOONPORT_NATIVE}")
  if(NOT native_dir)
    set(native_dir "${PROJECT_BINARY_DIR}/native")
    include(ExternalProject)
    # What says how to build for the other machine shall not be said of this one.
    set(unset "")
    foreach(name CC CFLAGS CPPFLAGS LDFLAGS CMAKE_TOOLCHAIN_FILE PKG_CONFIG PKG_CONFIG_PATH
        PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR)
      list(APPEND unset "--unset=${name}")
    endforeach()
    ExternalProject_Add(native
      SOURCE_DIR "${PROJECT_SOURCE_DIR}"
      BINARY_DIR "${native_dir}"
      CONFIGURE_COMMAND ${CMAKE_COMMAND} -E env ${unset} ${CMAKE_COMMAND} -S <SOURCE_DIR> -B <BINARY_DIR>
        -DCMAKE_BUILD_TYPE=Debug -DMOONPORT_TESTS=OFF -DMOONPORT_DIRECT=${MOONPORT_DIRECT}
      BUILD_COMMAND ${CMAKE_COMMAND} --build <BINARY_DIR> --target moonport
      INSTALL_COMMAND ""
      BUILD_ALWAYS ON
      BUILD_BYPRODUCTS "${native_dir}/moonport" "${native_dir}/pack_assets")
  endif()
  if(MOONPORT_NATIVE AND NOT EXISTS "${native_dir}/moonport")
    message(FATAL_ERROR "MOONPORT_NATIVE: there is no program moonport in ${native_dir}: build it there first")
  endif()
  set(native_moonport "${native_dir}/moonport")
  set(native_pack_assets "${native_dir}/pack_assets")
endif()
