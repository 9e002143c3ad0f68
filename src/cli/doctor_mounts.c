/* cli/doctor_mounts.c — whether changes of the scripts' files will be seen, after their mounts. */
#include "cli/doctor.h"
#include "server/reload/mount_advice.h"
#include "server/reload/mounts.h"

/* One path that was given. */
struct look {
  struct doctor *doctor;
  size_t traits;
};

static enum finding finding_of(enum mount_trait trait) {
  switch (trait) {
    case MOUNT_REPLACED: return FINDING_FAULT;
    case MOUNT_CONFIG_MAP: return FINDING_OK;
    case MOUNT_OF_ONE_FILE:
    case MOUNT_REMOTE:
    case MOUNT_OVERLAY: break;
  }
  return FINDING_WARNING;
}

static void say(void *context, enum mount_trait trait, const char *sentence) {
  struct look *look = context;
  look->traits++;
  doctor_say(look->doctor, finding_of(trait), "%s", sentence);
}

void doctor_look_at_mounts(struct doctor *doctor) {
  struct mounts *mounts = mounts_read("/proc/self/mountinfo");
  doctor_head(doctor, "changes of files");
  if (mounts == NULL) {
    doctor_say(doctor, FINDING_WARNING,
               "/proc/self/mountinfo cannot be read, so it is not known whether they will be seen");
    return;
  }
  for (size_t i = 0; i < doctor->call->word_count; i++) {
    struct look look = {.doctor = doctor};
    mount_advice(mounts, doctor->call->words[i], say, &look);
    if (look.traits == 0) {
      doctor_say(doctor, FINDING_OK, "%s: they will be seen", doctor->call->words[i]);
    }
  }
  mounts_free(mounts);
}
