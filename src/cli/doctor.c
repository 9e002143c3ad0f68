/* cli/doctor.c — `moonport doctor [PATH...]`: what would keep scripts from working here. It starts
 * nothing and changes nothing. The exit code is 1 when something will not work. */
#include "cli/doctor.h"

#include "base/grants.h"
#include "cli/settings.h"
#include "cli/shown.h"
#include "cli/table.h"

#include <stdarg.h>

#define LINE_SIZE_MAX 1024

void doctor_head(struct doctor *doctor, const char *title) {
  (void)doctor;
  shown_print(stdout, title);
  (void)putchar('\n');
}

void doctor_say(struct doctor *doctor, enum finding finding, const char *format, ...) {
  static const char *const words[] = {"ok", "note", "FAULT"};
  char line[LINE_SIZE_MAX];
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  (void)printf("  %-5s  ", words[finding]);
  shown_print(stdout, line);
  (void)putchar('\n');
  if (finding == FINDING_FAULT) {
    doctor->faults++;
  }
}

int doctor_command(const struct command_call *call) {
  struct grants *grants = NULL;
  int code = settings_read_grants(call, &grants);
  if (code != EXIT_DONE) {
    return code;
  }
  struct doctor doctor = {.call = call, .grants = grants};
  if (call->word_count > 0) {
    doctor_look_at_scripts(&doctor);
    doctor_look_at_mounts(&doctor);
  }
  doctor_look_at_machine(&doctor);
  doctor_look_at_libraries(&doctor);
  grants_free(grants);
  return doctor.faults > 0 ? EXIT_AT_FAULT : EXIT_DONE;
}
