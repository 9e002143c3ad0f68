/* grants_test.c — what --allow says: which texts are read, and what they then allow. */
#include "check.h"

#include "base/file.h"
#include "base/grants.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static char error[300];

static bool reads(const char *text) {
  *error = '\0';
  struct grants *grants = grants_read(text, error, sizeof error);
  grants_free(grants);
  return grants != NULL;
}

/* Whether `text` allows what `asks` asks for. */
static bool net(const char *text, const char *host, int port) {
  struct grants *grants = grants_read(text, error, sizeof error);
  bool may = grants_net(grants, host, port);
  CHECK(grants != NULL);
  grants_free(grants);
  return may;
}

static bool at_path(const char *text, const char *path) {
  struct grants *grants = grants_read(text, error, sizeof error);
  bool may = grants_path(grants, path);
  CHECK(grants != NULL);
  grants_free(grants);
  return may;
}

static bool at_unix(const char *text, const char *path) {
  struct grants *grants = grants_read(text, error, sizeof error);
  bool may = grants_unix(grants, path);
  CHECK(grants != NULL);
  grants_free(grants);
  return may;
}

static bool have(const char *text, enum grant grant) {
  struct grants *grants = grants_read(text, error, sizeof error);
  bool may = grants_have(grants, grant);
  CHECK(grants != NULL);
  grants_free(grants);
  return may;
}

static void allows_all_without_grants(void) {
  CHECK(grants_have(NULL, GRANT_RUN));
  CHECK(grants_path(NULL, "/etc/passwd"));
  CHECK(grants_net(NULL, "db", 5432));
  CHECK(grants_unix(NULL, "/run/x.sock"));
}

static void allows_nothing_with_none(void) {
  static const char *const texts[] = {"none", "", " , "};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    CHECK(!have(texts[i], GRANT_OS));
    CHECK(!have(texts[i], GRANT_RUN));
    CHECK(!have(texts[i], GRANT_CMODULES));
    CHECK(!at_path(texts[i], "/"));
    CHECK(!net(texts[i], "127.0.0.1", 80));
    CHECK(!at_unix(texts[i], "/run/x.sock"));
  }
}

static void allows_what_is_named_only(void) {
  CHECK(have("os,io=/tmp", GRANT_OS));
  CHECK(!have("os,io=/tmp", GRANT_RUN));
  CHECK(have(" run , cmodules ", GRANT_RUN));
  CHECK(have(" run , cmodules ", GRANT_CMODULES));
  CHECK(!net("os,run,cmodules,io=/", "db", 1));
}

static void allows_a_directory_and_what_is_in_it(void) {
  CHECK(at_path("io=/usr", "/usr"));
  CHECK(at_path("io=/usr/", "/usr/share/x"));
  CHECK(!at_path("io=/usr", "/usrlocal"));
  CHECK(!at_path("io=/usr", "/us"));
  CHECK(!at_path("io=/usr", "/"));
  CHECK(at_path("io=/", "/anything"));
  CHECK(at_path("io=/nowhere-at-all,io=/usr/bin/..", "/usr/x"));
  CHECK(!at_path("io=/nowhere-at-all", "/nowhere-at-all/x"));
}

static void allows_hosts_and_ports_by_pattern(void) {
  CHECK(net("net=db:5432", "db", 5432));
  CHECK(net("net=db:5432", "DB", 5432));
  CHECK(!net("net=db:5432", "db", 543));
  CHECK(!net("net=db:5432", "db2", 5432));
  CHECK(!net("net=db:5432", "a.db", 5432));
  CHECK(net("net=*.example.org:443", "www.example.org", 443));
  CHECK(!net("net=*.example.org:443", "example.org", 443));
  CHECK(!net("net=*.example.org:443", "www.example.org.evil.net", 443));
  CHECK(net("net=10.0.0.*:80*", "10.0.0.7", 8080));
  CHECK(!net("net=10.0.0.*:80*", "10.0.0.7.example.org", 8080));
  CHECK(!net("net=10.?.0.1*:*", "10.x.0.1", 1));
  CHECK(net("net=*.10:80", "10.0.0.10", 80));
  CHECK(net("net=1*.example.org:80", "10.example.org", 80));
  CHECK(!net("net=[fd00::*]:*", "fd00::1.example.org", 7));
  CHECK(net("net=[fd00::*]:*", "fd00::1", 7));
  CHECK(net("net=[::1]:*", "::1", 7));
  CHECK(!net("net=[::1]:*", "::2", 7));
  CHECK(net("net=*", "anything", 1));
  CHECK(net("net=a:1,net=b:2", "b", 2));
  CHECK(net("net=db:5432", "db", -1));
  CHECK(!net("net=db:5432", "other", -1));
}

static void allows_unix_sockets_by_path(void) {
  CHECK(at_unix("net=unix:/run/redis.sock", "/run/redis.sock"));
  CHECK(at_unix("net=unix:///run/redis.sock", "/run/redis.sock"));
  CHECK(at_unix("net=unix:/run/*", "/run/a.sock"));
  CHECK(!at_unix("net=unix:/run/*", "/tmp/a.sock"));
  CHECK(at_unix("net=*", "/run/a.sock"));
  CHECK(!at_unix("net=*:*", "/run/a.sock"));
  CHECK(!net("net=unix:/run/*", "run", 1));
}

static void refuses_what_it_does_not_know(void) {
  CHECK(!reads("oss"));
  CHECK_CONTAINS(error, "did you mean os");
  CHECK(!reads("os,xyzzyx"));
  CHECK_CONTAINS(error, "\"xyzzyx\"");
  CHECK_CONTAINS(error, "net=HOST:PORT");
  CHECK(!reads("os=1"));
  CHECK_CONTAINS(error, "takes no value");
  CHECK(!reads("io"));
  CHECK_CONTAINS(error, "io=DIRECTORY");
  CHECK(!reads("io="));
  CHECK(!reads("none,os"));
  CHECK_CONTAINS(error, "stands alone");
  static const char *const nets[] = {"net",     "net=",        "net=db",     "net=:80",
                                     "net=db:", "net=db:http", "net=::1:80", "net=db:80/x"};
  for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
    CHECK(!reads(nets[i]));
    CHECK_CONTAINS(error, "HOST:PORT");
  }
}

/* --- Where a path leads ------------------------------------------------------------------------ */

static char dir[PATH_MAX];

static const char *in_dir(const char *name) {
  static char path[2 * PATH_MAX];
  (void)snprintf(path, sizeof path, "%s/%s", dir, name);
  return path;
}

/* Where it leads, from `dir` on; or the negative errno as text. */
static const char *find(const char *name, bool follows) {
  static struct file_place place;
  static char text[16];
  int rc = file_find(in_dir(name), follows, &place);
  (void)snprintf(text, sizeof text, "%d", rc);
  if (rc < 0) {
    return text;
  }
  size_t size = strlen(dir);
  return strncmp(place.path, dir, size) == 0 ? place.path + size : place.path;
}

static void finds_where_a_path_leads(void) {
  char template[] = "/tmp/moonport-grants-XXXXXX";
  CHECK(mkdtemp(template) != NULL);
  CHECK(realpath(template, dir) != NULL);
  CHECK_NUMBER(symlink("/etc", in_dir("out")), 0);
  CHECK_NUMBER(symlink("nothing", in_dir("dangling")), 0);
  CHECK_NUMBER(symlink(".", in_dir("here")), 0);
  CHECK_TEXT(find("new", true), "/new");
  CHECK_TEXT(find("here/here/new", true), "/new");
  CHECK_TEXT(find("./..//../tmp", true), "/tmp");
  CHECK_TEXT(find("out/new", true), "/etc/new");
  CHECK_TEXT(find("out", true), "/etc");
  CHECK_TEXT(find("out", false), "/out");
  CHECK_TEXT(find("dangling", false), "/dangling");
  CHECK_NUMBER(atoi(find("dangling", true)), -ELOOP);
  CHECK_TEXT(find("no/such//where", true), "/no/such//where");
  CHECK_NUMBER(atoi(find("no/../where", true)), -ENOENT);
  CHECK_NUMBER(atoi(find("new/", true)), -ENOENT);
  CHECK_NUMBER(atoi(find("..new/..", true)), -ENOENT);
  CHECK_NUMBER(unlink(in_dir("out")) + unlink(in_dir("dangling")) + unlink(in_dir("here")), 0);
  CHECK_NUMBER(rmdir(dir), 0);
}

static void knows_the_memory_of_a_process(void) {
  struct file_place place;
  CHECK_NUMBER(file_find("/proc/self/mem", true, &place), 0);
  CHECK(place.is_process_memory);
  CHECK_NUMBER(file_find("/proc/self/root/proc/thread-self/mem", true, &place), 0);
  CHECK(place.is_process_memory);
  CHECK_NUMBER(file_find("/proc/self/maps", true, &place), 0);
  CHECK(!place.is_process_memory);
}

static const struct check_case cases[] = {
    {"no grants allow everything", allows_all_without_grants},
    {"none, and nothing, allow nothing", allows_nothing_with_none},
    {"a name allows what it says and nothing else", allows_what_is_named_only},
    {"io= allows a directory, by where it leads, and what is in it",
     allows_a_directory_and_what_is_in_it},
    {"net= allows hosts and ports by pattern", allows_hosts_and_ports_by_pattern},
    {"net=unix: allows Unix sockets by their path", allows_unix_sockets_by_path},
    {"a grant that is none is refused, with what to write", refuses_what_it_does_not_know},
    {"a path is found where it leads, with what does not exist yet", finds_where_a_path_leads},
    {"the memory of a process is known by whatever path", knows_the_memory_of_a_process},
};

CHECK_MAIN(cases)
