/* cli/console_own.c — the commands of moonport console that the server does not know. */
#include "cli/console.h"

#include <string.h>

const struct console_own console_own[] = {
    {"=", "CODE", "run Lua in a script's state, and show what it returns: = #conns"},
    {"use", "SCRIPT", "run Lua in this script from now on"},
    {"watch", "ID", "show what happens on a connection, until Enter or Ctrl-C"},
    {"quit", "", "end the console; so does Ctrl-D"},
};
const size_t console_own_count = sizeof console_own / sizeof console_own[0];

size_t console_own_describe(const char *about, json_t *lines) {
  size_t count = 0;
  for (size_t i = 0; i < console_own_count; i++) {
    const struct console_own *own = &console_own[i];
    if (*about != '\0' && strcmp(about, own->name) != 0) {
      continue;
    }
    count++;
    (void)json_array_append_new(lines, json_pack("{s:s, s:s, s:s}", "command", own->name, "usage",
                                                 own->usage, "summary", own->summary));
  }
  return count;
}
