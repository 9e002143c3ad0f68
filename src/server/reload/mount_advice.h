/* server/reload/mount_advice.h — what the mount that a script is on means for seeing its changes. */
#pragma once

#include <stddef.h>

struct log;
struct mounts;

enum mount_trait {
  MOUNT_OF_ONE_FILE, /* a file mounted by itself */
  MOUNT_REPLACED,    /* the same, and outside it is another file by now */
  MOUNT_REMOTE,      /* over a network, or from the host of a virtual machine */
  MOUNT_OVERLAY,     /* layers, as those of a container's image */
  MOUNT_CONFIG_MAP,  /* a volume of Kubernetes that is exchanged as a whole */
};

/* Calls say(context, trait, sentence) for each trait of the script or directory `path`, and of each file
 * below that is mounted by itself: what it is and what to do about it. Most paths have none. With MOUNT_OF_ONE_FILE and MOUNT_REPLACED changes
 * may never be seen; with the others they are, as told. */
void mount_advice(const struct mounts *mounts, const char *path,
                  void (*say)(void *context, enum mount_trait trait, const char *sentence),
                  void *context);

/* The same for each of the paths, to the log. */
void mount_advice_log(struct log *log, const char *const *paths, size_t count);
