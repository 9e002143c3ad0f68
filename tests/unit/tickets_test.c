/* tickets_test.c — keys of session tickets age by a clock that the test moves. */
#include "check.h"

#include "net/tls/tickets.h"

static void test_rotates(void) {
  struct tickets *tickets = tickets_new();
  bool is_old = true;
  const struct ticket_key first = *tickets_current(tickets, 1000);
  CHECK(tickets_find(tickets, first.name, 1000, &is_old) && !is_old);
  const struct ticket_key *still = tickets_current(tickets, 1000 + TICKET_KEY_AGE_S - 1);
  CHECK(memcmp(still->name, first.name, sizeof first.name) == 0);
  const struct ticket_key next = *tickets_current(tickets, 1000 + TICKET_KEY_AGE_S);
  CHECK(memcmp(next.name, first.name, sizeof first.name) != 0);
  CHECK(memcmp(next.aes, first.aes, sizeof first.aes) != 0);
  CHECK(memcmp(next.hmac, first.hmac, sizeof first.hmac) != 0);
  const struct ticket_key *old =
      tickets_find(tickets, first.name, 1000 + 2 * TICKET_KEY_AGE_S - 1, &is_old);
  CHECK(old && is_old);
  CHECK(old && memcmp(old->aes, first.aes, sizeof first.aes) == 0);
  CHECK(!tickets_find(tickets, first.name, 1000 + 2 * TICKET_KEY_AGE_S, &is_old));
  CHECK(tickets_find(tickets, next.name, 1000 + 2 * TICKET_KEY_AGE_S, &is_old) && is_old);
  tickets_release(tickets);
}

static void test_forgets_when_nobody_comes(void) {
  struct tickets *tickets = tickets_new();
  bool is_old = false;
  const struct ticket_key first = *tickets_current(tickets, 0);
  const struct ticket_key *late = tickets_current(tickets, UINT64_C(5) * TICKET_KEY_AGE_S);
  CHECK(memcmp(late->name, first.name, sizeof first.name) != 0);
  CHECK(!tickets_find(tickets, first.name, UINT64_C(5) * TICKET_KEY_AGE_S, &is_old));
  tickets_release(tickets);
}

static void test_is_counted(void) {
  struct tickets *tickets = tickets_new();
  bool is_old = false;
  CHECK(tickets_keep(tickets) == tickets);
  const struct ticket_key key = *tickets_current(tickets, 0);
  tickets_release(tickets);
  CHECK(tickets_find(tickets, key.name, 0, &is_old));
  tickets_release(tickets);
  tickets_release(NULL);
}

static const struct check_case cases[] = {
    {"a key encrypts for its time, and decrypts for as long again", test_rotates},
    {"keys that nobody asked for meanwhile are forgotten", test_forgets_when_nobody_comes},
    {"keys live as long as somebody holds them", test_is_counted},
};

CHECK_MAIN(cases)
