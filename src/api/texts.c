/* api/texts.c — the Lua files of a version as it read them, in a descriptor: "SIZE PATH", a NUL, and the
 * bytes of each. */
#include "api/texts.h"

#include "api/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXTS_BYTES_MAX = 64 * 1024 * 1024 }; /* a script of more loads its files itself */

struct texts {
  size_t size;
  char bytes[]; /* and a NUL */
};

void texts_keep(struct source *source, const char *bytes, size_t size) {
  free(source->text);
  source->text = bytes ? malloc(size + 1) : NULL;
  source->text_size = source->text ? size : 0;
  if (source->text) memcpy(source->text, bytes, size);
}

static bool write_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    size -= (size_t)written;
  }
  return true;
}

static bool write_source(int fd, const struct source *source) {
  if (!source->text) return true;
  bool is_written = dprintf(fd, "%zu %s", source->text_size, source->path) > 0;
  return is_written && write_all(fd, "", 1) && write_all(fd, source->text, source->text_size);
}

int texts_write(const struct version *version) {
  int fd = memfd_create("moonport-texts", MFD_CLOEXEC);
  for (size_t i = 0; fd >= 0 && i < version->source_count; i++) {
    if (write_source(fd, &version->sources[i])) continue;
    close(fd);
    fd = -1;
  }
  return fd;
}

struct texts *texts_read(int fd) {
  struct stat status;
  if (fd < 0 || fstat(fd, &status) < 0 || status.st_size > TEXTS_BYTES_MAX) return NULL;
  struct texts *texts = malloc(sizeof *texts + (size_t)status.st_size + 1);
  if (!texts) return NULL;
  texts->size = 0;
  ssize_t got = 1;
  while (got > 0 && texts->size < (size_t)status.st_size) {
    /* Its offset is shared with whoever else reads it. */
    got = pread(fd, texts->bytes + texts->size, (size_t)status.st_size - texts->size,
                (off_t)texts->size);
    if (got > 0) texts->size += (size_t)got;
  }
  texts->bytes[texts->size] = '\0';
  return texts;
}

const char *texts_find(const struct texts *texts, const char *path, size_t *size) {
  const char *at = texts ? texts->bytes : NULL, *end = texts ? at + texts->size : NULL;
  while (at < end) {
    char *name;
    const size_t bytes = strtoull(at, &name, 10);
    if (*name != ' ') return NULL; /* none of ours */
    const char *text = name + strlen(name) + 1;
    name++;
    if (text > end || bytes > (size_t)(end - text)) return NULL;
    if (strcmp(name, path) == 0) {
      *size = bytes;
      return text;
    }
    at = text + bytes;
  }
  return NULL;
}

void texts_free(struct texts *texts) {
  free(texts);
}
