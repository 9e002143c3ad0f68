/* fuzz.h — what a fuzz target has, and how it says that something cannot be. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Called by libFuzzer with whatever it came up with, or by replay.c with a file of the corpus.
 * Returns 0: an input that is taken, or -1: one that says nothing and is not worth keeping. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline _Noreturn void must_fail(const char *condition, const char *file, int line) {
  (void)fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
  abort();
}

/* Ends the program when it does not hold, in every build type: that is a finding. */
#define MUST(condition) ((condition) ? (void)0 : must_fail(#condition, __FILE__, __LINE__))
