/* allocations.c — stands between the program (its core, Lua, libuv and jansson are linked
 * statically) and malloc(), and fails what the plan says — does not allocate.
 *
 * The linker does it (--wrap), not the loader: beneath is the allocator of AddressSanitizer, which
 * still sees each block, and each leak. */
#include "plan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct plan *plan;

__attribute__((constructor)) static void map_plan(void) {
  const char *path = getenv("MOONPORT_TORTURE_PLAN");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *map = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (map != MAP_FAILED) plan = map;
}

static bool fails(void) {
  if (!plan || !plan_hits(&plan->allocations)) return false;
  errno = ENOMEM;
  return true;
}

#include "wrap.h"

WRAP(FILE *, fopen, (const char *path, const char *mode), (path, mode))
WRAP(DIR *, opendir, (const char *path), (path))

/* What shrinks never fails: Lua counts on that (lua_Alloc), and so does the libc's realloc(). */
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) {
  bool shrinks = block && malloc_usable_size(block) >= size;
  return !shrinks && fails() ? NULL : __real_realloc(block, size);
}

int __wrap_asprintf(char **out, const char *format, ...);
int __wrap_asprintf(char **out, const char *format, ...) {
  if (fails()) return -1;
  va_list arguments;
  va_start(arguments, format);
  int size = vasprintf(out, format, arguments);
  va_end(arguments);
  return size;
}

int __real_scandir(const char *path, struct dirent ***out, int (*filter)(const struct dirent *),
                   int (*compare)(const struct dirent **, const struct dirent **));
int __wrap_scandir(const char *path, struct dirent ***out, int (*filter)(const struct dirent *),
                   int (*compare)(const struct dirent **, const struct dirent **));
int __wrap_scandir(const char *path, struct dirent ***out, int (*filter)(const struct dirent *),
                   int (*compare)(const struct dirent **, const struct dirent **)) {
  return fails() ? -1 : __real_scandir(path, out, filter, compare);
}
