/* cli/version.h — which moonport, Lua and libuv this is. */
#ifndef MOONPORT_CLI_VERSION_H
#define MOONPORT_CLI_VERSION_H

#include <stdio.h>

/* Three lines; a library that is not the one compiled against shows both versions. */
void version_print(FILE *out);

#endif
