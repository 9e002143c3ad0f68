/* api/texts.c — Lua texts that count in place of files, in a descriptor: "SIZE HASH SIZE PATH", a NUL, and the
 * bytes of each. The hash and the second size are the digest of the file, which tells when that changes. */
#include "api/texts.h"

#include "api/version.h"
#include "base/platform.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXTS_BYTES_MAX = 64 * 1024 * 1024 }; /* a script of more loads its files itself */

#define HEAD_FORMAT "%zu %" PRIu64 " %" PRIu64 " %s"

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
  bool is_written = dprintf(fd, HEAD_FORMAT, source->text_size, source->digest.hash,
                            source->digest.size, source->path) > 0;
  return is_written && write_all(fd, "", 1) && write_all(fd, source->text, source->text_size);
}

int texts_write(const struct version *version) {
  int fd = platform_memory_file("moonport-texts");
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

struct texts *texts_new(const char *path, const char *text, size_t size,
                        const struct digest *file) {
  char *head = NULL;
  const int head_size = asprintf(&head, HEAD_FORMAT, size, file->hash, file->size, path);
  if (head_size < 0) return NULL;
  const size_t head_bytes = (size_t)head_size + 1;
  struct texts *texts = malloc(sizeof *texts + head_bytes + size + 1);
  if (texts) {
    texts->size = head_bytes + size;
    memcpy(texts->bytes, head, head_bytes);
    memcpy(texts->bytes + head_bytes, text, size);
    texts->bytes[texts->size] = '\0';
  }
  free(head);
  return texts;
}

int texts_join(const struct texts *const *list, size_t count) {
  int fd = platform_memory_file("moonport-texts");
  for (size_t i = 0; fd >= 0 && i < count; i++) {
    if (!list[i] || write_all(fd, list[i]->bytes, list[i]->size)) continue;
    close(fd);
    fd = -1;
  }
  return fd;
}

/* One entry: its path and its text. NULL: what stands there is none of ours. */
static const char *read_entry(const char *at, const char *end, size_t *size, struct digest *file,
                              const char **path) {
  char *next;
  *size = strtoull(at, &next, 10);
  file->hash = strtoull(next, &next, 10);
  file->size = strtoull(next, &next, 10);
  if (*next != ' ') return NULL;
  *path = next + 1;
  const char *text = *path + strlen(*path) + 1;
  return text > end || *size > (size_t)(end - text) ? NULL : text;
}

const char *texts_find(const struct texts *texts, const char *path, size_t *size,
                       struct digest *file) {
  const char *at = texts ? texts->bytes : NULL, *end = texts ? at + texts->size : NULL;
  while (at < end) {
    const char *name;
    struct digest digest;
    const char *text = read_entry(at, end, size, &digest, &name);
    if (!text) return NULL;
    if (strcmp(name, path) == 0) {
      if (file) *file = digest;
      return text;
    }
    at = text + *size;
  }
  return NULL;
}

void texts_free(struct texts *texts) {
  free(texts);
}
