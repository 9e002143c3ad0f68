/* check.h — the harness of the unit tests: named cases, and checks that no NDEBUG removes.
 *
 * A check that fails says where and what, and the case goes on: one run shows all failures. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct check_case {
  const char *proves; /* a sentence */
  void (*run)(void);
};

/* The case that runs, and how many checks failed so far. One test program is one file. */
static const char *check_proves;
static int check_failures;

static inline void check_failed(const char *file, int line) {
  check_failures++;
  (void)fprintf(stderr, "%s:%d: not so: %s\n", file, line, check_proves);
}

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) {                                                                            \
      check_failed(__FILE__, __LINE__);                                                            \
      (void)fprintf(stderr, "  %s\n", #condition);                                                 \
    }                                                                                              \
  } while (0)

#define CHECK_NUMBER(actual, expected)                                                             \
  do {                                                                                             \
    long long check_actual = (long long)(actual);                                                  \
    long long check_expected = (long long)(expected);                                              \
    if (check_actual != check_expected) {                                                          \
      check_failed(__FILE__, __LINE__);                                                            \
      (void)fprintf(stderr, "  %s is %lld, not %lld\n", #actual, check_actual, check_expected);    \
    }                                                                                              \
  } while (0)

static inline void check_text(const char *file, int line, const char *actual,
                              const char *expected) {
  bool same =
      actual == NULL || expected == NULL ? actual == expected : strcmp(actual, expected) == 0;
  if (!same) {
    check_failed(file, line);
    (void)fprintf(stderr, "  is   %s\n  want %s\n", actual != NULL ? actual : "(NULL)",
                  expected != NULL ? expected : "(NULL)");
  }
}

static inline void check_contains(const char *file, int line, const char *actual,
                                  const char *part) {
  if (strstr(actual, part) == NULL) {
    check_failed(file, line);
    (void)fprintf(stderr, "  is   %s\n  lacks %s\n", actual, part);
  }
}

/* Both may be NULL. */
#define CHECK_TEXT(actual, expected) check_text(__FILE__, __LINE__, (actual), (expected))
#define CHECK_CONTAINS(actual, part) check_contains(__FILE__, __LINE__, (actual), (part))

/* Runs the cases; what main() returns. */
static inline int check_run(const struct check_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    int before = check_failures;
    check_proves = cases[i].proves;
    cases[i].run();
    (void)printf("%s %s\n", check_failures == before ? "ok    " : "FAILED", cases[i].proves);
  }
  return check_failures == 0 ? 0 : 1;
}

#define CHECK_MAIN(cases)                                                                          \
  int main(void) {                                                                                 \
    return check_run((cases), sizeof(cases) / sizeof(cases)[0]);                                   \
  }
