/* replay.c — feeds the files of a folder to a fuzz target, once each — does not make up inputs. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

enum { INPUT_BYTES_MAX = 1 << 20, PATH_BYTES_MAX = 4096 };

static void fail(const char *path, const char *what) {
  (void)fprintf(stderr, "replay: %s: %s\n", path, what);
  exit(1);
}

static void replay_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) fail(path, strerror(errno));
  uint8_t *data = malloc(INPUT_BYTES_MAX);
  if (!data) fail(path, "not enough memory");
  size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
  if (ferror(file) || !feof(file)) fail(path, "cannot be read, or is larger than 1 MiB");
  (void)fclose(file);
  uint8_t *exact = realloc(data, size > 0 ? size : 1); /* reading past it is found out */
  if (!exact) fail(path, "not enough memory");
  if (LLVMFuzzerTestOneInput(exact, size) != 0) fail(path, "is no input: the target refused it");
  free(exact);
}

static int replay_folder(const char *folder) {
  DIR *dir = opendir(folder);
  if (!dir) fail(folder, strerror(errno));
  int count = 0;
  for (const struct dirent *entry; (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    count++;
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    (void)printf("%s\n", entry->d_name); /* the last one named is the one that broke it */
    (void)fflush(stdout);
    replay_file(path);
  }
  (void)closedir(dir);
  return count;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    (void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  if (replay_folder(argv[1]) == 0) fail(argv[1], "is empty: there was nothing to replay");
  return 0;
}
