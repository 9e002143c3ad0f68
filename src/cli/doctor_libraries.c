/* cli/doctor_libraries.c — what is known of the versions of Lua and libuv that run here. */
#include "cli/doctor.h"
#include "cli/version.h"

#include <stdio.h>
#include <uv.h>

/* What a version below `fixed_in` gets wrong, of what a script can meet. */
struct risk {
  int fixed_in; /* of Lua 5.4.x, the x */
  const char *what;
};

/* https://www.lua.org/bugs.html, and what was tried out: the first one with 5.4.4 (crashes) and
 * 5.4.7 (does not), the last one with 5.4.4 and 5.4.7 (both do). Debian's 5.4.4 has the patches for
 * its security issues, and none of these. */
static const struct risk lua_risks[] = {
    {6,
     "a __concat metamethod that needs much stack can crash the process: call nothing deep in it"},
    {6, "collectgarbage(\"generational\") sets a wrong pause: leave the mode as it is"},
    {8, "t[x > 0], where t is a local of an outer function, is compiled wrong: write local "
        "positive = x > 0, then t[positive]"},
};

static void look_at_lua(struct doctor *doctor) {
  char version[32];
  int release = version_lua_release();
  version_lua(version, sizeof version);
  if (release < 0) {
    doctor_say(doctor, FINDING_WARNING, "Lua %s: nothing is known of it here", version);
    return;
  }
  size_t told = 0;
  for (size_t i = 0; i < sizeof lua_risks / sizeof lua_risks[0]; i++) {
    if (release < lua_risks[i].fixed_in) {
      doctor_say(doctor, FINDING_WARNING, "Lua %s (mended in 5.4.%d): %s", version,
                 lua_risks[i].fixed_in, lua_risks[i].what);
      told++;
    }
  }
  if (told == 0) {
    doctor_say(doctor, FINDING_OK, "Lua %s: no fault is known that scripts meet", version);
  }
}

/* What older versions get wrong (docs/ARCHITECTURE.md and src/net/ say what, where it matters) is
 * worked around in the program, so there is nothing that its user could do. */
static void look_at_libuv(struct doctor *doctor) {
  doctor_say(doctor, FINDING_OK, "libuv %s: what is known of it is worked around",
             uv_version_string());
}

void doctor_look_at_libraries(struct doctor *doctor) {
  doctor_head(doctor, "libraries");
  look_at_lua(doctor);
  look_at_libuv(doctor);
}
