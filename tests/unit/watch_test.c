/* watch_test.c — what a watch tells of real files. What the server makes of it is in
 * reload_watch_spec.lua.
 *
 * Nothing here sleeps and hopes: the loop runs until what is awaited was told. That something is
 * not told is shown by a second change after it, which is. */
#include "check.h"
#include "namespace.h"

#include "net/loop.h"
#include "server/reload/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { DEADLINE_MS = 20000, TOLD_BYTES = 16384 };

static struct net_loop *loop;
static struct watch *watch;
static char root[] = "/tmp/moonport-watch-XXXXXX";
static char told[TOLD_BYTES]; /* "changed a.lua\n", since the last forget() */
static unsigned calls;        /* of on_change(), since then */
static void (*on_told)(void); /* called from inside on_change(), once */

/* --- Files ------------------------------------------------------------------------------------ */

/* The path of `name` in the test's directory; valid until some calls later. */
static const char *at(const char *name) {
  static char paths[8][256];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", root, name);
  return path;
}

static void write_file(const char *name, const char *text) {
  int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  MUST(fd);
  MUST(write(fd, text, strlen(text)));
  close(fd);
}

/* As most editors save. */
static void replace_file(const char *name, const char *text) {
  write_file(".swap", text);
  MUST(rename(at(".swap"), at(name)));
}

static void set_modified(const char *name, time_t seconds) {
  struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
  MUST(utimensat(AT_FDCWD, at(name), times, 0));
}

static void make_directory(const char *name) {
  MUST(mkdir(at(name), 0755));
}

/* As ln -sfn. */
static void point_link(const char *target, const char *name) {
  MUST(symlink(target, at(".link")));
  MUST(rename(at(".link"), at(name)));
}

static int remove_entry(const char *path, const struct stat *status, int flag, struct FTW *ftw) {
  (void)status;
  (void)flag;
  (void)ftw;
  return remove(path);
}

static void remove_tree(const char *path) {
  MUST(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS));
}

/* --- The watch -------------------------------------------------------------------------------- */

static void forget(void) {
  told[0] = '\0';
  calls = 0;
}

static const char *word_for(const struct scan_entry *entry) {
  if (entry->is_directory) return entry->now.error ? "lost" : "listed";
  if (entry->now.error == ENOENT) return "vanished";
  bool was_there = entry->told.error != ENOENT && entry->told.error != PRINT_MISSED;
  return was_there ? "changed" : "appeared";
}

static void on_change(void *context, const struct scan *scan) {
  const char *last = "";
  (void)context;
  calls++;
  for (size_t i = 0; i < scan->count; i++) {
    const struct scan_entry *entry = &scan->entries[i];
    size_t size = strlen(told);
    if (!entry->is_due || strcmp(entry->path, last) == 0) continue;
    last = entry->path;
    snprintf(told + size, sizeof told - size, "%s %s\n", word_for(entry),
             entry->path + strlen(root) + 1);
  }
  void (*next)(void) = on_told;
  on_told = NULL;
  if (next) next();
}

static void on_deadline(uv_timer_t *timer) {
  *(bool *)timer->data = true;
}

/* Runs the loop until `line` was told, or, when it is NULL, for the whole time. False: it was not.
 * The timer is also what keeps the loop alive, which a watch does not. */
static bool run_for(uint64_t ms, const char *line) {
  bool is_late = false;
  uv_timer_t deadline;
  uv_timer_init(net_loop_uv(loop), &deadline);
  deadline.data = &is_late;
  uv_update_time(net_loop_uv(loop));
  uv_timer_start(&deadline, on_deadline, ms, 0);
  while (!is_late && !(line && strstr(told, line))) net_loop_turn(loop, true);
  uv_close((uv_handle_t *)&deadline, NULL);
  net_loop_turn(loop, false);
  return !is_late;
}

/* How long it took until `line` was told, or -1 at the deadline. */
static long wait_for(const char *line) {
  uint64_t start = uv_hrtime();
  bool was_told = run_for(DEADLINE_MS, line);
  return was_told ? (long)((uv_hrtime() - start) / 1000000) : -1;
}

/* "a\nb\n" was told, and nothing else. */
#define CHECK_TOLD(lines)                                                                          \
  do {                                                                                             \
    CHECK(wait_for(lines) >= 0);                                                                   \
    CHECK_TEXT(told, lines);                                                                       \
    forget();                                                                                      \
  } while (0)

/* Two files that are always there: what happens to the first one is the test's business, and a
 * change of the second shows that all before it was seen. */
static void check_nothing_told(void) {
  static unsigned number;
  char text[32];
  snprintf(text, sizeof text, "-- %u", number++);
  replace_file("last.lua", text);
  CHECK_TOLD("changed last.lua\n");
}

static struct digest digest_of(const char *text) {
  struct digest digest = digest_empty();
  digest_add(&digest, text, strlen(text));
  return digest;
}

/* Adds the file as loaded with what is there now, or as missed. */
static void add_as_it_is(struct scan *scan, const char *name) {
  struct file_print print = scan_look(at(name));
  scan_add(scan, at(name), false, print.error == 0 ? &print.digest : NULL);
}

static void set_files(const char *first, const struct digest *loaded) {
  struct scan scan = {0};
  scan_add(&scan, at(first), false, loaded);
  add_as_it_is(&scan, "last.lua");
  watch_set(watch, scan);
}

/* What is there of `first` now is what changes are told from: the other file, said to have been
 * loaded with what it never held, shows when that was seen. */
static void watch_files(const char *first) {
  struct digest never = digest_empty();
  struct scan scan = {0};
  write_file("last.lua", "-- first");
  add_as_it_is(&scan, first);
  scan_add(&scan, at("last.lua"), false, &never);
  watch_set(watch, scan);
  CHECK_TOLD("changed last.lua\n");
}

static void set_directory(const char *second) {
  struct scan scan = {0};
  add_as_it_is(&scan, "last.lua");
  add_as_it_is(&scan, "served/first.lua");
  if (second) add_as_it_is(&scan, second);
  scan_add(&scan, at("served"), true, NULL);
  watch_set(watch, scan);
}

/* What a directory holds is told at first, for nobody said what was known of it. */
static void watch_directory(void) {
  write_file("last.lua", "-- first");
  write_file("served/first.lua", "return 1");
  set_directory(NULL);
  CHECK_TOLD("listed served\n");
}

/* Each case has a directory, a loop and a watch of its own. */
static void begin(void) {
  memcpy(root + strlen(root) - 6, "XXXXXX", 6);
  if (!mkdtemp(root)) abort();
  MUST(chmod(root, 0755));
  loop = net_loop_new();
  watch = loop ? watch_new(loop, on_change, NULL) : NULL;
  if (!watch) abort();
  forget();
}

static void end(void) {
  watch_free(watch);
  net_loop_free(loop);
  remove_tree(root);
}

/* --- Files that are saved ---------------------------------------------------------------------- */

static void tells_of_every_way_to_save(void) {
  begin();
  write_file("a.lua", "return 1");
  watch_files("a.lua");
  write_file("a.lua", "return 2");
  CHECK_TOLD("changed a.lua\n");
  replace_file("a.lua", "return 3");
  CHECK_TOLD("changed a.lua\n");
  /* The descriptors of an editor that writes in place, and of one that appends. */
  int fd = open(at("a.lua"), O_WRONLY | O_CLOEXEC);
  MUST(pwrite(fd, "RETURN", 6, 0));
  CHECK_TOLD("changed a.lua\n");
  MUST(pwrite(fd, "-- more", 7, 8));
  CHECK_TOLD("changed a.lua\n");
  close(fd);
  end();
}

static void tells_within_the_time(void) {
  long best = DEADLINE_MS;
  begin();
  write_file("a.lua", "return 1");
  watch_files("a.lua");
  /* The best of some: how busy the machine is is not the watch's doing. */
  for (int i = 0; i < 5; i++) {
    replace_file("a.lua", i % 2 == 0 ? "return 2" : "return 3");
    long took = wait_for("changed a.lua\n");
    CHECK(took >= 0);
    if (i > 0 && took < best) best = took;
    forget();
  }
  CHECK(best < 300);
  printf("       (told %ld ms after it was saved)\n", best);
  end();
}

static void compares_contents(void) {
  begin();
  write_file("a.lua", "return 1");
  watch_files("a.lua");
  set_modified("a.lua", 1000000000);
  replace_file("a.lua", "return 1");
  check_nothing_told();
  /* An older file, as from a backup; and one of the same size and time. */
  write_file("old.lua", "return 0 -- old");
  set_modified("old.lua", 1000000000);
  MUST(rename(at("old.lua"), at("a.lua")));
  CHECK_TOLD("changed a.lua\n");
  write_file("a.lua", "return 0 -- new");
  set_modified("a.lua", 1000000000);
  CHECK_TOLD("changed a.lua\n");
  end();
}

static void tells_what_is_gone_and_back(void) {
  begin();
  write_file("a.lua", "return 1");
  watch_files("a.lua");
  MUST(unlink(at("a.lua")));
  write_file("a.lua", "return 1");
  check_nothing_told();
  MUST(unlink(at("a.lua")));
  CHECK_TOLD("vanished a.lua\n");
  check_nothing_told();
  write_file("a.lua", "return 1");
  CHECK_TOLD("appeared a.lua\n");
  end();
}

static void tells_of_what_was_never_there(void) {
  begin();
  watch_files("not/yet/there.lua");
  make_directory("not");
  make_directory("not/yet");
  write_file("not/yet/there.lua", "return 1");
  CHECK_TOLD("appeared not/yet/there.lua\n");
  end();
}

static void settles(void) {
  begin();
  write_file("a.lua", "return 0");
  watch_files("a.lua");
  uint64_t start = uv_hrtime();
  for (int i = 1; i <= 100; i++) {
    char text[32];
    snprintf(text, sizeof text, "return %d", i);
    if (i % 2 == 0) write_file("a.lua", text);
    if (i % 2 != 0) replace_file("a.lua", text);
    run_for(10, NULL);
  }
  uint64_t took_ms = (uv_hrtime() - start) / 1000000;
  /* The last save is either told by now, or together with this one. */
  replace_file("last.lua", "-- saved a hundred times");
  CHECK(wait_for("changed last.lua\n") >= 0);
  CHECK_CONTAINS(told, "changed a.lua\n");
  CHECK(calls >= 3);
  CHECK(calls <= took_ms / ((uint64_t)WATCH_QUIET_MS * WATCH_PATIENCE_LOOKS) + 2);
  end();
}

/* --- Links and directories ---------------------------------------------------------------------- */

static void follows_a_config_map(void) {
  begin();
  make_directory("..1");
  make_directory("..2");
  write_file("..1/a.lua", "return 1");
  write_file("..2/a.lua", "return 2");
  point_link("..1", "..data");
  MUST(symlink("..data/a.lua", at("a.lua")));
  watch_files("a.lua");
  point_link("..2", "..data");
  CHECK_TOLD("changed a.lua\n");
  remove_tree(at("..1"));
  check_nothing_told();
  end();
}

static void follows_links_of_directories(void) {
  begin();
  make_directory("releases");
  make_directory("releases/1");
  make_directory("releases/2");
  write_file("releases/1/a.lua", "return 1");
  write_file("releases/2/a.lua", "return 2");
  point_link("releases/1", "current");
  watch_files("current/a.lua");
  point_link("releases/2", "current");
  CHECK_TOLD("changed current/a.lua\n");
  write_file("releases/2/a.lua", "return 3");
  CHECK_TOLD("changed current/a.lua\n");
  write_file("releases/1/a.lua", "return 4");
  check_nothing_told();
  end();
}

static void tells_of_scripts_in_a_directory(void) {
  begin();
  make_directory("served");
  watch_directory();
  write_file("served/second.lua", "return 2");
  CHECK_TOLD("listed served\n");
  set_directory("served/second.lua");
  check_nothing_told();
  write_file("served/second.lua", "return 3");
  CHECK_TOLD("changed served/second.lua\n");
  write_file("served/notes.txt", "no script");
  write_file("served/.hidden.lua", "return 4");
  check_nothing_told();
  /* Not listed before it counts as gone: it may be about to return. */
  MUST(unlink(at("served/second.lua")));
  CHECK_TOLD("vanished served/second.lua\nlisted served\n");
  MUST(rename(at("served/first.lua"), at("served/third.lua")));
  CHECK_TOLD("vanished served/first.lua\nlisted served\n");
  end();
}

static void survives_the_exchange_of_a_directory(void) {
  begin();
  make_directory("served");
  watch_directory();
  make_directory("fresh");
  write_file("fresh/first.lua", "return 1");
  write_file("fresh/second.lua", "return 2");
  MUST(rename(at("served"), at("stale")));
  MUST(rename(at("fresh"), at("served")));
  CHECK(wait_for("listed served\n") >= 0);
  forget();
  write_file("stale/first.lua", "return 3");
  check_nothing_told();
  write_file("served/first.lua", "return 4");
  CHECK_TOLD("changed served/first.lua\n");
  end();
}

static void does_not_take_a_lost_directory_for_an_empty_one(void) {
  begin();
  make_directory("served");
  watch_directory();
  MUST(rename(at("served"), at("away")));
  CHECK_TOLD("lost served\n");
  check_nothing_told();
  MUST(rename(at("away"), at("served")));
  CHECK_TOLD("listed served\n");
  MUST(unlink(at("served/first.lua")));
  CHECK_TOLD("vanished served/first.lua\nlisted served\n");
  end();
}

/* --- What is no script -------------------------------------------------------------------------- */

static void make_fifo(const char *path) {
  MUST(mkfifo(path, 0644));
}

static void make_device(const char *path) {
  MUST(symlink("/dev/zero", path));
}

static void make_folder(const char *path) {
  MUST(mkdir(path, 0755));
}

static void make_loop(const char *path) {
  MUST(symlink(path, path));
}

static void make_huge(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  MUST(fd);
  MUST(ftruncate(fd, 1 << 30));
  close(fd);
}

static void is_not_held_up_by_what_is_no_file(void) {
  static void (*const makers[])(const char *) = {make_fifo, make_device, make_folder, make_loop,
                                                 make_huge};
  begin();
  write_file("a.lua", "return 1");
  watch_files("a.lua");
  for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
    MUST(unlink(at("a.lua")));
    makers[i](at("a.lua"));
    CHECK_TOLD("changed a.lua\n");
    check_nothing_told();
    MUST(remove(at("a.lua")));
    write_file("a.lua", "return 1");
    CHECK_TOLD("changed a.lua\n");
  }
  end();
}

static void tells_of_what_may_not_be_read(void) {
  bool is_root = geteuid() == 0;
  begin();
  if (is_root) MUST(chown(root, 65534, 65534));
  if (is_root) MUST(seteuid(65534));
  make_directory("served");
  watch_directory();
  MUST(chmod(at("served/first.lua"), 0));
  CHECK_TOLD("changed served/first.lua\n");
  MUST(chmod(at("served/first.lua"), 0644));
  CHECK_TOLD("changed served/first.lua\n");
  MUST(chmod(at("served"), 0));
  CHECK(wait_for("lost served\n") >= 0);
  MUST(chmod(at("served"), 0755));
  CHECK(wait_for("listed served\n") >= 0);
  if (is_root) MUST(seteuid(0));
  end();
}

/* --- The owner's side --------------------------------------------------------------------------- */

static void tells_what_changed_before_it_watched(void) {
  begin();
  struct digest loaded = digest_of("return 1");
  write_file("last.lua", "-- first");
  write_file("a.lua", "return 2");
  set_files("a.lua", &loaded);
  CHECK_TOLD("changed a.lua\n");
  /* Not loaded, for it was broken: that was told, and is not told again. */
  set_files("a.lua", &loaded);
  check_nothing_told();
  write_file("a.lua", "return 3");
  CHECK_TOLD("changed a.lua\n");
  /* Loaded, and while that happened it was put back. */
  loaded = digest_of("return 3");
  write_file("a.lua", "return 1");
  set_files("a.lua", &loaded);
  CHECK_TOLD("changed a.lua\n");
  end();
}

/* It appeared between the load that missed it and the first look: what was found then counted as
 * known, and the script that waits for it was not loaded again until it changed once more. */
static void tells_of_a_file_that_was_missed_and_is_there(void) {
  begin();
  write_file("a.lua", "return 1");
  write_file("last.lua", "-- first");
  set_files("a.lua", NULL);
  CHECK_TOLD("appeared a.lua\n");
  set_files("a.lua", NULL);
  check_nothing_told();
  end();
}

static void tells_once_of_a_file_that_two_scripts_share(void) {
  begin();
  struct digest before = digest_of("return 1");
  struct digest after = digest_of("return 2");
  write_file("last.lua", "-- first");
  write_file("lib.lua", "return 3");
  struct scan scan = {0};
  scan_add(&scan, at("lib.lua"), false, &before);
  add_as_it_is(&scan, "last.lua");
  scan_add(&scan, at("lib.lua"), false, &after);
  scan_add(&scan, at("lib.lua"), false, &after);
  watch_set(watch, scan);
  CHECK_TOLD("changed lib.lua\n");
  check_nothing_told();
  end();
}

static void set_as_it_is(const char *first) {
  struct digest digest = scan_look(at(first)).digest;
  set_files(first, &digest);
}

static void set_again(void) {
  set_as_it_is("b.lua");
}

static void takes_other_files_at_any_time(void) {
  begin();
  write_file("a.lua", "return 1");
  write_file("b.lua", "return 1");
  watch_files("a.lua");
  on_told = set_again;
  write_file("a.lua", "return 2");
  CHECK_TOLD("changed a.lua\n");
  write_file("a.lua", "return 3");
  check_nothing_told();
  write_file("b.lua", "return 2");
  CHECK_TOLD("changed b.lua\n");
  for (int i = 0; i < 50; i++) set_as_it_is(i % 2 == 0 ? "a.lua" : "b.lua");
  check_nothing_told();
  end();
}

/* How often the other threads of this process have gone to wait. */
static unsigned long waits(void) {
  static const char field[] = "voluntary_ctxt_switches:";
  unsigned long sum = 0;
  char path[64], line[128];
  DIR *tasks = opendir("/proc/self/task");
  for (const struct dirent *task; tasks && (task = readdir(tasks)) != NULL;) {
    long id = strtol(task->d_name, NULL, 10);
    snprintf(path, sizeof path, "/proc/self/task/%ld/status", id);
    FILE *status = id > 0 && id != getpid() ? fopen(path, "re") : NULL;
    while (status && fgets(line, sizeof line, status)) {
      if (strncmp(line, field, sizeof field - 1) != 0) continue;
      sum += strtoul(line + sizeof field - 1, NULL, 10);
    }
    if (status) fclose(status);
  }
  if (tasks) closedir(tasks);
  return sum;
}

/* Whether the thread comes to rest, for several times as long as it waits between two looks. */
static bool rests(void) {
  uint64_t start = uv_hrtime();
  unsigned long before;
  do {
    before = waits();
    run_for((uint64_t)3 * WATCH_LOOK_MS, NULL);
  } while (waits() != before && (uv_hrtime() - start) / 1000000 < DEADLINE_MS);
  return waits() == before;
}

static void does_nothing_when_nothing_is_watched(void) {
  begin();
  CHECK(rests());
  write_file("a.lua", "return 1");
  watch_files("a.lua");
  unsigned long before = waits();
  while (waits() == before) run_for(WATCH_LOOK_MS, NULL); /* or the test's own time limit ends it */
  watch_set(watch, (struct scan){0});
  CHECK(rests());
  end();
}

static void ends_in_the_middle(void) {
  for (int i = 0; i < 50; i++) {
    begin();
    write_file("a.lua", "return 1");
    write_file("last.lua", "return 1");
    set_as_it_is("a.lua");
    if (i % 2 == 0) run_for((uint64_t)i, NULL);
    end();
  }
}

static const struct check_case cases[] = {
    {"a file is told of however it is saved", tells_of_every_way_to_save},
    {"a saved file is told of within 300 ms", tells_within_the_time},
    {"contents decide, not times: touching is no change, an older file is", compares_contents},
    {"what is gone for a moment is not told, what stays away is", tells_what_is_gone_and_back},
    {"a file in a directory that is not there yet appears", tells_of_what_was_never_there},
    {"a hundred saves in a second are told in a few calls", settles},
    {"the exchange of a Kubernetes volume is one change", follows_a_config_map},
    {"links of directories are followed, also to another one", follows_links_of_directories},
    {"scripts appear in and vanish from a directory", tells_of_scripts_in_a_directory},
    {"a directory that is replaced goes on being watched", survives_the_exchange_of_a_directory},
    {"a directory that is gone takes no script with it",
     does_not_take_a_lost_directory_for_an_empty_one},
    {"pipes, devices, loops and huge files hold nothing up", is_not_held_up_by_what_is_no_file},
    {"what may not be read is told, and that it may again", tells_of_what_may_not_be_read},
    {"a change between loading and watching is told", tells_what_changed_before_it_watched},
    {"a file that was missed, and is there, is told of",
     tells_of_a_file_that_was_missed_and_is_there},
    {"a file that two scripts share is told of once", tells_once_of_a_file_that_two_scripts_share},
    {"what is watched can change at any time", takes_other_files_at_any_time},
    {"with nothing to watch there is no work", does_nothing_when_nothing_is_watched},
    {"a watch can end in the middle of a scan", ends_in_the_middle},
};

CHECK_MAIN(cases)
