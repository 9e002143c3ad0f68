/* cli/meta.c — `moonport meta`: where the definitions for editors are. They lie beside the program: as it
 * was installed, or in its source, where it was built. */
#include "cli/meta.h"

#include "base/file.h"
#include "cli/table.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* Cuts the last name of an absolute path off; false when it is the root's. */
static bool go_up(char *path) {
  char *slash = strrchr(path, '/');
  if (!slash || !slash[1]) return false;
  slash[slash == path] = '\0';
  return true;
}

int meta_command(const struct command_call *call) {
  static const char *const places[] = {"../share/moonport/meta", "../../lua/meta"};
  char program[PATH_MAX], place[PATH_MAX + 32], folder[PATH_MAX];
  size_t size = sizeof program;
  (void)call;
  if (uv_exepath(program, &size) == 0 && go_up(program)) {
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
      snprintf(place, sizeof place, "%s/%s", program, places[i]);
      if (!file_is_directory(place) || !realpath(place, folder)) continue;
      puts(folder);
      return EXIT_DONE;
    }
  }
  fputs("moonport: the definitions for editors are not installed beside this program; they are the "
        "files in lua/meta of its source\n",
        stderr);
  return EXIT_AT_FAULT;
}

bool meta_is_known_at(const char *path) {
  char folder[PATH_MAX], file[PATH_MAX + sizeof "/.luarc.json"];
  if (!realpath(path, folder)) return false;
  if (!file_is_directory(folder)) go_up(folder);
  do {
    snprintf(file, sizeof file, "%s/.luarc.json", folder);
    if (access(file, R_OK) == 0) return true;
  } while (go_up(folder));
  return false;
}
