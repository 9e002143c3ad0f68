/* baseline_rest.c — what a socket did not take at once waits in memory. Knows no protocol. */
#include "baseline_rest.h"

#include "baseline.h"

#include <stdlib.h>
#include <string.h>

struct rest {
  uv_write_t request; /* first: a request is its rest */
  char bytes[];
};

static void on_rest_written(uv_write_t *request, int status) {
  uv_stream_t *stream = request->handle;
  free(request);
  if (status < 0 || uv_read_start(stream, on_alloc, on_read) != 0) stream_close(stream);
}

void write_rest(uv_stream_t *stream, const char *bytes, size_t size) {
  struct rest *rest = malloc(sizeof *rest + size);
  if (rest == NULL) {
    stream_close(stream);
    return;
  }
  memcpy(rest->bytes, bytes, size);
  uv_buf_t buffer = uv_buf_init(rest->bytes, (unsigned)size);
  uv_read_stop(stream);
  if (uv_write(&rest->request, stream, &buffer, 1, on_rest_written) != 0) {
    free(rest);
    stream_close(stream);
  }
}
