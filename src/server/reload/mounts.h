/* server/reload/mounts.h — which mount a path is on, after the kernel's list of them, as Linux has it. */
#pragma once

struct mounts; /* opaque */

/* One line of it; see proc(5). */
struct mount {
  int id;
  int parent;
  char *root;   /* what of the file system is mounted: "/", or the source of a bind mount */
  char *point;  /* where, as this process sees it */
  char *type;   /* "ext4", "nfs4", "fuse.sshfs" */
  char *source; /* "/dev/sda1", "server:/export" */
};

/* NULL when there is none, it cannot be read, or memory is out. platform_mounts_file() is the usual one. */
struct mounts *mounts_read(const char *mountinfo_path);
/* The same from its text. Lines that are none are passed over. NULL: out of memory. */
struct mounts *mounts_parse(const char *text);
void mounts_free(struct mounts *mounts);

/* The mount that shows at `path`, which is absolute and holds no symbolic link, "." or "..". NULL:
 * it is on none that this process sees, as in a chroot. */
const struct mount *mounts_find(const struct mounts *mounts, const char *path);
/* The same for all that is below `path`: calls `visit` for each mount that shows there. */
void mounts_each_below(const struct mounts *mounts, const char *path,
                       void (*visit)(void *context, const struct mount *mount), void *context);
