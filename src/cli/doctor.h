/* cli/doctor.h — what moonport doctor found out, and the parts that look. */
#ifndef MOONPORT_CLI_DOCTOR_H
#define MOONPORT_CLI_DOCTOR_H

#include "cli/command.h"

enum finding {
  FINDING_OK,
  FINDING_WARNING, /* it works, with something to know */
  FINDING_FAULT,   /* something will not work */
};

struct grants;

struct doctor {
  const struct command_call *call;
  const struct grants *grants; /* of the scripts; NULL: everything */
  size_t faults;
  size_t scripts;         /* that load */
  size_t connections_max; /* what their limits.connections add up to */
};

/* A line of the report: what was found, and what to do about it. */
void doctor_say(struct doctor *doctor, enum finding finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What the lines below are about. */
void doctor_head(struct doctor *doctor, const char *title);

/* doctor_scripts.c: whether the scripts load, where they would listen, and who could connect. */
void doctor_look_at_scripts(struct doctor *doctor);
/* doctor_mounts.c: whether changes of their files will be seen. */
void doctor_look_at_mounts(struct doctor *doctor);
/* doctor_machine.c: limits and settings of this machine, or container. */
void doctor_look_at_machine(struct doctor *doctor);
/* doctor_libraries.c: what is known of the versions of Lua and libuv. */
void doctor_look_at_libraries(struct doctor *doctor);

#endif
