/* server/reload/mount_advice.c — what the mount that a script is on means for seeing its changes. */
#include "server/reload/mount_advice.h"

#include "base/file.h"
#include "base/log.h"
#include "base/platform.h"
#include "server/reload/mounts.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SENTENCE_BYTES = 2 * PATH_MAX + 512 };

struct advice {
  const char *path; /* as given */
  void (*say)(void *context, enum mount_trait trait, const char *sentence);
  void *context;
};

static void __attribute__((format(printf, 3, 4)))
advise(const struct advice *advice, enum mount_trait trait, const char *format, ...) {
  char sentence[SENTENCE_BYTES];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(sentence, sizeof sentence, format, arguments);
  va_end(arguments);
  advice->say(advice->context, trait, sentence);
}

/* File systems whose files others change without this kernel seeing it. */
static bool is_remote(const char *type) {
  static const char *const types[] = {
      "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "afs", "lustre", "gfs2", "ocfs2", "beegfs",
      /* from the host of a virtual machine or a desktop's container runtime */
      "9p", "virtiofs", "vboxsf", "prl_fs", "vmhgfs", "drvfs", "osxfs", "grpcfuse", "fakeowner"};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strcmp(type, types[i]) == 0) return true;
  }
  return strcmp(type, "fuse") == 0 || strncmp(type, "fuse.", 5) == 0;
}

/* The kernel marks the root of a bind mount so when its file was deleted, or renamed over. */
static bool is_replaced(const struct mount *mount) {
  static const char mark[] = "//deleted";
  size_t size = strlen(mount->root);
  return size >= sizeof mark - 1 && strcmp(mount->root + size - (sizeof mark - 1), mark) == 0;
}

static void advise_on_file(const struct advice *advice, const struct mount *mount) {
  if (is_replaced(mount)) {
    advise(advice, MOUNT_REPLACED,
           "%s is a mount of its own, and outside that file was already replaced or deleted: this "
           "server keeps seeing the old one; mount the directory instead, and start again",
           advice->path);
    return;
  }
  advise(advice, MOUNT_OF_ONE_FILE,
         "%s is a mount of its own: an editor that saves by renaming, or an update of a Kubernetes "
         "subPath, replaces the file outside, and this server keeps seeing the old one; mount the "
         "directory instead",
         advice->path);
}

struct below {
  const struct advice *advice; /* on the directory */
  size_t size;                 /* of its path, links followed */
};

/* A script, or what one may require. */
static void advise_on_mount_below(void *context, const struct mount *mount) {
  const struct below *below = context;
  const char *dot = strrchr(mount->point, '.');
  if (!dot || strcmp(dot, ".lua") != 0 || file_is_directory(mount->point)) return;
  char path[2 * PATH_MAX];
  snprintf(path, sizeof path, "%s%s", below->advice->path, mount->point + below->size);
  const struct advice advice = {path, below->advice->say, below->advice->context};
  advise_on_file(&advice, mount);
}

/* kubelet's volumes hold a link ..data to the directory in force, and links through it. */
static bool is_config_map(const char *path) {
  char data[PATH_MAX];
  struct stat status;
  size_t size = strlen(path);
  if (!file_is_directory(path)) {
    const char *slash = strrchr(path, '/');
    if (!slash) return lstat("..data", &status) == 0 && S_ISLNK(status.st_mode);
    size = (size_t)(slash - path);
  }
  int length = snprintf(data, sizeof data, "%.*s/..data", (int)size, path);
  if (length < 0 || (size_t)length >= sizeof data) return false;
  return lstat(data, &status) == 0 && S_ISLNK(status.st_mode);
}

void mount_advice(const struct mounts *mounts, const char *path,
                  void (*say)(void *context, enum mount_trait trait, const char *sentence),
                  void *context) {
  struct advice advice = {path, say, context};
  char real[PATH_MAX];
  const char *found = realpath(path, real) ? real : path;
  const struct mount *mount = mounts_find(mounts, found);
  if (is_config_map(path)) {
    advise(
        &advice, MOUNT_CONFIG_MAP,
        "%s is in a volume made of a ConfigMap or a Secret: its files change all at once, within "
        "about two minutes after the object did",
        path);
  }
  if (!mount) return;
  if (file_is_directory(found)) {
    struct below below = {&advice, strlen(found)};
    mounts_each_below(mounts, found, advise_on_mount_below, &below);
  } else if (strcmp(mount->point, found) == 0) {
    advise_on_file(&advice, mount);
  }
  if (is_remote(mount->type)) {
    advise(&advice, MOUNT_REMOTE,
           "%s is on %s (%s): a change that is made elsewhere is found as soon as this machine's "
           "cache shows it",
           path, mount->type, mount->source);
  } else if (strcmp(mount->type, "overlay") == 0) {
    advise(&advice, MOUNT_OVERLAY,
           "%s is on an overlay, as the files of a container's image are: no change made outside "
           "comes here; to edit it there, mount a directory of the host",
           path);
  }
}

static void mount_advice_on_trait(void *context, enum mount_trait trait, const char *sentence) {
  bool hides = trait == MOUNT_OF_ONE_FILE || trait == MOUNT_REPLACED;
  log_printf(context, hides ? LOG_WARN : LOG_INFO, "%s", sentence);
}

void mount_advice_log(struct log *log, const char *const *paths, size_t count) {
  struct mounts *mounts = mounts_read(platform_mounts_file());
  if (!mounts) return;
  for (size_t i = 0; i < count; i++) mount_advice(mounts, paths[i], mount_advice_on_trait, log);
  mounts_free(mounts);
}
