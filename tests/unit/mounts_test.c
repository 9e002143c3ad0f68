/* mounts_test.c — which mount a path is on, and what is said of it: after texts of our own, and
 * after the kernel's in a mount namespace of our own. */
#include "check.h"
#include "namespace.h"

#include "server/reload/mount_advice.h"
#include "server/reload/mounts.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static struct mounts *mounts;

static const char *source_of(const char *path) {
  const struct mount *mount = mounts_find(mounts, path);
  return mount ? mount->source : NULL;
}

static void use(const char *text) {
  if (mounts) mounts_free(mounts);
  mounts = mounts_parse(text);
  if (!mounts) abort();
}

static void finds_the_nearest_mount(void) {
  use("20 1 8:1 / / rw - ext4 root rw\n"
      "21 20 8:2 / /srv rw shared:7 master:2 - xfs srv rw\n"
      "22 21 0:40 / /srv/scripts ro - nfs4 server:/export rw\n");
  CHECK_TEXT(source_of("/"), "root");
  CHECK_TEXT(source_of("/srvx/a.lua"), "root");
  CHECK_TEXT(source_of("/srv"), "srv");
  CHECK_TEXT(source_of("/srv/script"), "srv");
  CHECK_TEXT(source_of("/srv/scripts/a.lua"), "server:/export");
  CHECK_TEXT(source_of("/srv/scripts"), "server:/export");
}

static void sees_what_hides_another_mount(void) {
  /* /a was mounted over after /a/b: the latter has the longer name, and cannot be reached. */
  use("20 1 8:1 / / rw - ext4 root rw\n"
      "21 20 8:2 / /a/b rw - ext4 hidden rw\n"
      "22 20 8:3 / /a rw - ext4 above rw\n");
  CHECK_TEXT(source_of("/a/b/c"), "above");
  /* The order of the lines plays no part. */
  use("22 20 8:3 / /a rw - ext4 above rw\n"
      "21 20 8:2 / /a/b rw - ext4 hidden rw\n"
      "20 1 8:1 / / rw - ext4 root rw\n");
  CHECK_TEXT(source_of("/a/b/c"), "above");
  /* Twice at one point: the second is mounted on the first. */
  use("20 1 8:1 / / rw - ext4 root rw\n"
      "21 20 8:2 / /a rw - ext4 below rw\n"
      "22 21 8:3 / /a rw - ext4 above rw\n");
  CHECK_TEXT(source_of("/a/c"), "above");
}

static void reads_names_with_blanks(void) {
  use("20 1 8:1 / / rw - ext4 root rw\n"
      "21 20 8:2 /from\\040here /my\\040scripts\\011\\134\\012 rw - ext4 /dev/a\\040b rw\n");
  const struct mount *mount = mounts_find(mounts, "/my scripts\t\\\n/a.lua");
  CHECK(mount != NULL);
  if (!mount) return;
  CHECK_TEXT(mount->root, "/from here");
  CHECK_TEXT(mount->source, "/dev/a b");
}

static void passes_over_what_is_no_mount(void) {
  use("");
  CHECK_TEXT(source_of("/"), NULL);
  use("\n1 2\n1 2 3 4 5 6\n1 2 3 / / rw - \n1 2 3 / / rw shared:1 -\nx y z / relative rw - a b c\n"
      "20 1 8:1 / / rw - ext4 root rw");
  CHECK_TEXT(source_of("/a"), "root");
  /* In a chroot the root may be no mount: what is below is found all the same. */
  use("21 20 8:2 / /a rw - ext4 a rw\n");
  CHECK_TEXT(source_of("/a/b"), "a");
  CHECK_TEXT(source_of("/b"), NULL);
  /* No tree at all ends too. */
  use("1 1 8:2 / / rw - ext4 self rw\n2 3 8:2 / / rw - ext4 a rw\n3 2 8:2 / / rw - ext4 b rw\n");
  CHECK_TEXT(source_of("/b"), "self");
}

static char said[4096];

static void on_sentence(void *context, enum mount_trait trait, const char *sentence) {
  size_t size = strlen(said);
  (void)context;
  snprintf(said + size, sizeof said - size, "%d %s\n", (int)trait, sentence);
}

static const char *advice_on(const char *path) {
  said[0] = '\0';
  mount_advice(mounts, path, on_sentence, NULL);
  return said;
}

static const char *advice_on_type(const char *type) {
  char text[256];
  snprintf(text, sizeof text, "20 1 8:1 / / rw - %s host:/share rw\n", type);
  use(text);
  return advice_on("/no/such/echo.lua");
}

static void names_file_systems_that_others_change(void) {
  static const char *const types[] = {"nfs",    "nfs4",       "cifs",          "9p",
                                      "vboxsf", "virtiofs",   "fuse.grpcfuse", "fuse.sshfs",
                                      "fuse",   "fuse.osxfs", "fakeowner"};
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    char wanted[128];
    snprintf(wanted, sizeof wanted, "/no/such/echo.lua is on %s (host:/share): ", types[i]);
    CHECK_CONTAINS(advice_on_type(types[i]), wanted);
    CHECK_CONTAINS(said, "as soon as this machine's cache shows it");
  }
  CHECK_CONTAINS(advice_on_type("overlay"), "/no/such/echo.lua is on an overlay");
  CHECK_TEXT(advice_on_type("ext4"), "");
  CHECK_TEXT(advice_on_type("tmpfs"), "");
  CHECK_TEXT(advice_on_type("fuseblk"), ""); /* a local disk */
}

static void names_a_file_that_is_mounted_by_itself(void) {
  use("20 1 8:1 / / rw - ext4 root rw\n"
      "21 20 8:1 /home/me/echo.lua /no/such/echo.lua rw - ext4 root rw\n"
      "22 20 8:1 /home/me/old.lua//deleted /no/such/old.lua rw - ext4 root rw\n");
  CHECK_CONTAINS(advice_on("/no/such/echo.lua"), "echo.lua is a mount of its own: an editor");
  CHECK_CONTAINS(said, "mount the directory instead");
  CHECK_CONTAINS(advice_on("/no/such/old.lua"), "was already replaced or deleted");
  CHECK_TEXT(advice_on("/no/such/other.lua"), "");
}

static void write_file(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  MUST(fd);
  close(fd);
}

static void use_the_kernels(void) {
  mounts_free(mounts);
  mounts = mounts_read("/proc/self/mountinfo");
  if (!mounts) abort();
}

static void reads_what_the_kernel_writes(void) {
  char root[] = "/tmp/moonport mounts-XXXXXX"; /* with a blank in its name */
  if (!mkdtemp(root)) abort();
  namespace_enter(CLONE_NEWNS);
  MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
  MUST(mount("ours", root, "tmpfs", 0, NULL));
  MUST(chdir(root));
  MUST(mkdir("host", 0755));
  MUST(mkdir("scripts", 0755));
  write_file("host/one.lua");
  write_file("scripts/one.lua");
  write_file("scripts/two.lua");
  MUST(mount("host/one.lua", "scripts/one.lua", NULL, MS_BIND, NULL));
  MUST(symlink("one.lua", "scripts/link.lua"));
  use_the_kernels();
  CHECK_CONTAINS(advice_on("scripts/one.lua"), "scripts/one.lua is a mount of its own: an editor");
  CHECK_CONTAINS(advice_on("scripts/link.lua"), "scripts/link.lua is a mount of its own");
  CHECK_TEXT(advice_on("scripts/two.lua"), "");
  CHECK_CONTAINS(advice_on("scripts"), "scripts/one.lua is a mount of its own: an editor");
  CHECK_TEXT(advice_on("host"), "");
  CHECK(!strstr(said, "two.lua"));

  write_file("host/new.lua");
  MUST(rename("host/new.lua", "host/one.lua"));
  use_the_kernels();
  CHECK_CONTAINS(advice_on("scripts/one.lua"), "was already replaced or deleted");

  /* A directory mounted over it all hides that mount. */
  MUST(mount("host", "scripts", NULL, MS_BIND, NULL));
  use_the_kernels();
  CHECK_TEXT(advice_on("scripts/one.lua"), "");
  CHECK_TEXT(advice_on("scripts"), "");

  MUST(symlink("..2026_11_22", "host/..data"));
  MUST(mkdir("host/..2026_11_22", 0755));
  write_file("host/..2026_11_22/three.lua");
  MUST(symlink("..data/three.lua", "host/three.lua"));
  CHECK_CONTAINS(advice_on("scripts"), "scripts is in a volume made of a ConfigMap or a Secret");
  CHECK_CONTAINS(advice_on("scripts/three.lua"), "scripts/three.lua is in a volume made of");
  MUST(chdir("scripts"));
  CHECK_CONTAINS(advice_on("three.lua"), "three.lua is in a volume made of");

  MUST(chdir("/"));
  MUST(umount2(root, MNT_DETACH));
  MUST(rmdir(root));
}

static void is_absent_elsewhere(void) {
  CHECK(mounts_read("/no/such/mountinfo") == NULL);
  mounts_free(mounts);
}

static const struct check_case cases[] = {
    {"a path is on the nearest mount above it", finds_the_nearest_mount},
    {"a mount that another one hides is not found", sees_what_hides_another_mount},
    {"blanks, tabs, line ends and backslashes in names are read", reads_names_with_blanks},
    {"lines that tell of no mount do no harm", passes_over_what_is_no_mount},
    {"file systems without events are named", names_file_systems_that_others_change},
    {"a file that is mounted by itself is named", names_a_file_that_is_mounted_by_itself},
    {"bind mounts, and what was replaced under them, are seen", reads_what_the_kernel_writes},
    {"without a mountinfo there is nothing to tell", is_absent_elsewhere},
};

CHECK_MAIN(cases)
