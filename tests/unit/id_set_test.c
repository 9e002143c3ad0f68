/* id_set_test.c — a set of connection ids against a plain list of what must be in it. */
#include "check.h"

#include "base/id_set.h"

#include <stdlib.h>

enum { IDS = 400 };

static void holds_what_was_added(void) {
  struct id_set set = {0};
  CHECK(!id_set_has(&set, 1));
  id_set_remove(&set, 1);
  for (uint64_t id = 1; id <= IDS; id++) CHECK(id_set_add(&set, id * 3));
  CHECK(id_set_add(&set, 3));
  CHECK_NUMBER(set.count, IDS);
  for (uint64_t id = 1; id / 3 <= IDS; id++)
    CHECK_NUMBER(id_set_has(&set, id), id % 3 == 0 && id / 3 <= IDS);
  id_set_deinit(&set);
}

static void forgets_what_was_removed_and_nothing_else(void) {
  struct id_set set = {0};
  bool in_it[IDS] = {false};
  srand(1);
  for (int turn = 0; turn < 20000; turn++) {
    int i = rand() % IDS;
    uint64_t id = (uint64_t)(i % 20) * 1024 + (uint64_t)i + 1;
    in_it[i] = !in_it[i];
    if (in_it[i]) {
      CHECK(id_set_add(&set, id));
    } else {
      id_set_remove(&set, id);
    }
    int other = rand() % IDS;
    uint64_t other_id = (uint64_t)(other % 20) * 1024 + (uint64_t)other + 1;
    CHECK_NUMBER(id_set_has(&set, other_id), in_it[other]);
  }
  size_t count = 0;
  for (int i = 0; i < IDS; i++) count += in_it[i];
  CHECK_NUMBER(set.count, count);
  id_set_deinit(&set);
}

static const struct check_case cases[] = {
    {"what was added is in it, and nothing else", holds_what_was_added},
    {"what was removed is not, and the rest still is", forgets_what_was_removed_and_nothing_else},
};
CHECK_MAIN(cases)
