/* websocket_test.c — frames of WebSocket: heads that are refused, pieces of any size, masks, text. */
#include "check.h"

#include "base/websocket.h"

#include <stdlib.h>

#define BYTES(text) (text), sizeof(text) - 1

static const uint8_t key[WEBSOCKET_KEY_BYTES] = {0x37, 0xfa, 0x21, 0x3d};

/* What the head at the start of the bytes is answered with; its event is the result. */
static struct websocket_event next(struct websocket_reader *reader, enum websocket_result expected,
                                   const char *bytes, size_t size) {
  struct websocket_event event;
  CHECK_NUMBER(websocket_next(reader, 100000, bytes, size, &event), expected);
  return event;
}

static void refused(const char *bytes, size_t size, const char *part) {
  struct websocket_reader reader = {0};
  struct websocket_event event = next(&reader, WEBSOCKET_REFUSED, bytes, size);
  CHECK_NUMBER(event.code, WEBSOCKET_PROTOCOL_ERROR);
  check_contains(__FILE__, __LINE__, event.fault, part);
}

static void test_refused_heads(void) {
  refused(BYTES("\xa1\x80"), "reserved bit");
  refused(BYTES("\x91\x80"), "reserved bit");
  refused(BYTES("\xc1\x80"), "RSV1");
  refused(BYTES("\x83\x80"), "reserved opcode");
  refused(BYTES("\x87\x80"), "reserved opcode");
  refused(BYTES("\x8b\x80"), "reserved opcode");
  refused(BYTES("\x8f\x80"), "reserved opcode");
  refused(BYTES("\x81\x00"), "not masked");
  refused(BYTES("\x09\x80"), "fragmented");
  refused(BYTES("\x89\xfe"), "longer than 125");
  refused(BYTES("\x89\xff"), "longer than 125");
  refused(BYTES("\x80\x80"), "no message to continue");
  refused(BYTES("\x81\xfe\x00\x7d"), "longer than it needs");
  refused(BYTES("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff"), "longer than it needs");
  refused(BYTES("\x81\xff\x80\x00\x00\x00\x00\x00\xff\xff"), "highest bit");
}

static void test_state_of_fragments(void) {
  struct websocket_reader reader = {.is_client = true};
  next(&reader, WEBSOCKET_DATA, BYTES("\x01\x00"));
  struct websocket_event event = next(&reader, WEBSOCKET_CONTROL, BYTES("\x89\x02hi"));
  CHECK_NUMBER(event.used, 4);
  CHECK(event.opcode == WEBSOCKET_PING && memcmp(event.payload, "hi", 2) == 0);
  event = next(&reader, WEBSOCKET_REFUSED, BYTES("\x82\x00"));
  check_contains(__FILE__, __LINE__, event.fault, "within the fragments");
  reader = (struct websocket_reader){.is_client = true};
  event = next(&reader, WEBSOCKET_REFUSED, BYTES("\x81\x80"));
  check_contains(__FILE__, __LINE__, event.fault, "is masked");
}

static void test_deflated_only_at_the_first(void) {
  struct websocket_reader reader = {.is_client = true, .deflates = true};
  struct websocket_event event = next(&reader, WEBSOCKET_DATA, BYTES("\x41\x01x"));
  CHECK(event.is_first && event.is_deflated && !event.is_last);
  event = next(&reader, WEBSOCKET_REFUSED, BYTES("\xc0\x01x"));
  check_contains(__FILE__, __LINE__, event.fault, "RSV1");
  reader.kind = 0;
  next(&reader, WEBSOCKET_REFUSED, BYTES("\xc9\x00"));
}

static void test_limit_over_fragments(void) {
  struct websocket_reader reader = {.is_client = true};
  struct websocket_event event;
  CHECK_NUMBER(websocket_next(&reader, 5,
                              BYTES("\x02\x03"
                                    "abc"),
                              &event),
               WEBSOCKET_DATA);
  CHECK_NUMBER(websocket_next(&reader, 5,
                              BYTES("\x80\x02"
                                    "de"),
                              &event),
               WEBSOCKET_DATA);
  CHECK(event.is_last && event.opcode == WEBSOCKET_BINARY);
  CHECK_NUMBER(websocket_next(&reader, 5,
                              BYTES("\x02\x03"
                                    "abc"),
                              &event),
               WEBSOCKET_DATA);
  CHECK_NUMBER(websocket_next(&reader, 5, BYTES("\x80\x03"), &event), WEBSOCKET_REFUSED);
  CHECK_NUMBER(event.code, WEBSOCKET_TOO_BIG);
}

/* The example of RFC 6455, section 5.7, in all sizes of pieces. */
static void test_pieces(void) {
  static const char frame[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
  for (size_t piece = 1; piece < sizeof frame; piece++) {
    struct websocket_reader reader = {0};
    char out[8];
    size_t start = 0, got = 0;
    bool is_whole = false;
    for (size_t arrived = 0; arrived < sizeof frame - 1;) {
      arrived = arrived + piece < sizeof frame - 1 ? arrived + piece : sizeof frame - 1;
      struct websocket_event event;
      while (!is_whole && websocket_next(&reader, 100, frame + start, arrived - start, &event) ==
                              WEBSOCKET_DATA) {
        CHECK(websocket_take(&reader, &event, out + got));
        got += event.size;
        start += event.used;
        is_whole = event.is_last;
      }
    }
    CHECK(is_whole && got == 5 && memcmp(out, "Hello", 5) == 0);
  }
}

static void test_mask(void) {
  char from[300], to[300], slow[300];
  for (size_t i = 0; i < sizeof from; i++) from[i] = (char)(i * 7);
  for (size_t size = 0; size <= sizeof from; size++) {
    for (size_t offset = 0; offset < 5; offset++) {
      for (size_t i = 0; i < size; i++) slow[i] = (char)(from[i] ^ key[(i + offset) % 4]);
      websocket_mask(to, from, size, key, offset);
      CHECK(memcmp(to, slow, size) == 0);
    }
  }
  websocket_mask(to, to, sizeof to, key, 4);
  CHECK(memcmp(to, from, sizeof to) == 0);
}

static void test_heads_written(void) {
  static const uint64_t sizes[] = {0, 125, 126, 65535, 65536, UINT64_MAX >> 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct websocket_frame frame = {.opcode = WEBSOCKET_BINARY, .size = sizes[i], .key = key};
    char head[WEBSOCKET_HEAD_BYTES_MAX];
    struct websocket_reader reader = {0};
    struct websocket_event event;
    size_t size = websocket_write_head(&frame, head);
    CHECK_NUMBER(websocket_next(&reader, UINT64_MAX, head, size, &event), WEBSOCKET_DATA);
    CHECK_NUMBER(event.used, size);
    CHECK(reader.left == sizes[i] && memcmp(event.key, key, sizeof key) == 0);
  }
}

static void test_close_codes(void) {
  static const unsigned valid[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                   1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
  static const unsigned invalid[] = {0,    1,    999,  1004, 1005, 1006, 1015,
                                     1016, 1100, 2000, 2999, 5000, 65535};
  for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
    CHECK(websocket_code_may_be_sent(valid[i]));
  }
  for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
    CHECK(!websocket_code_may_be_sent(invalid[i]));
  }
}

static void test_close_payloads(void) {
  struct websocket_event event;
  CHECK(websocket_read_close("", 0, &event));
  CHECK_NUMBER(event.code, WEBSOCKET_NO_CODE);
  CHECK(!websocket_read_close("\x03", 1, &event));
  CHECK_NUMBER(event.code, WEBSOCKET_PROTOCOL_ERROR);
  CHECK(!websocket_read_close("\x03\xed", 2, &event));
  CHECK(websocket_read_close("\x03\xe8"
                             "bye",
                             5, &event));
  CHECK_NUMBER(event.code, 1000);
  CHECK(!websocket_read_close("\x03\xe8"
                              "\xc3",
                              3, &event));
  CHECK_NUMBER(event.code, WEBSOCKET_BAD_TEXT);
}

static bool is_text(const char *bytes, size_t size) {
  for (size_t cut = 0; cut <= size; cut++) { /* the same wherever it is cut */
    struct utf8_check check = {0};
    bool is_valid = utf8_check(&check, bytes, cut) && utf8_check(&check, bytes + cut, size - cut) &&
                    utf8_check_ends(&check);
    CHECK_NUMBER(is_valid, utf8_is_valid(bytes, size));
  }
  return utf8_is_valid(bytes, size);
}

static void test_text(void) {
  CHECK(is_text("", 0));
  CHECK(is_text(
      BYTES("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5 and forty bytes of ASCII behind")));
  CHECK(is_text(BYTES("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\xef\xbf\xbf")));
  CHECK(!is_text(BYTES("\xed\xa0\x80")));
  CHECK(!is_text(BYTES("\xf4\x90\x80\x80")));
  CHECK(!is_text(BYTES("\xc0\x80")));
  CHECK(!is_text(BYTES("\xe0\x80\x80")));
  CHECK(!is_text(BYTES("\xf0\x8f\xbf\xbf")));
  CHECK(!is_text(BYTES("\xfe")));
  CHECK(!is_text(BYTES("\xce")));
  CHECK(!is_text(BYTES("thirty-two bytes of ASCII before \x80")));
}

/* RFC 6455, section 8.1; Autobahn's cases 6.4: what cannot become text any more is told at once. */
static void test_text_fails_fast(void) {
  struct utf8_check check = {0};
  CHECK(utf8_check(&check, "\xf4", 1));
  CHECK(!utf8_check(&check, "\x90", 1));
}

static void offered(const char *text, unsigned bits, bool names) {
  bool names_window = false;
  CHECK_NUMBER(websocket_choose_deflate(text, strlen(text), &names_window), bits);
  if (bits > 0) CHECK_NUMBER(names_window, names);
}

static void test_offers(void) {
  offered("permessage-deflate", 15, false);
  offered("permessage-deflate; client_max_window_bits", 15, false);
  offered("Permessage-Deflate;server_max_window_bits=12 ; client_max_window_bits=12", 12, true);
  offered("permessage-deflate; server_max_window_bits=\"10\"", 10, true);
  offered("x-webkit-deflate-frame, permessage-deflate; client_no_context_takeover", 15, false);
  offered("permessage-deflate; server_max_window_bits=8, permessage-deflate", 15, false);
  offered("permessage-deflate; unknown, permessage-deflate; server_no_context_takeover", 15, false);
  offered("", 0, false);
  offered("permessage-bzip2", 0, false);
  offered("permessage-deflate; server_max_window_bits", 0, false);
  offered("permessage-deflate; server_max_window_bits=16", 0, false);
  offered("permessage-deflate; server_max_window_bits=012", 0, false);
  offered("permessage-deflate; server_max_window_bits=999999999999", 0, false);
  offered("permessage-deflate; server_no_context_takeover=1", 0, false);
  offered("permessage-deflate; client_max_window_bits; client_max_window_bits", 0, false);
  offered("permessage-deflate;", 0, false);
  offered("permessage-deflate x", 0, false);
  offered("permessage-deflate; server_max_window_bits=\"10", 0, false);
}

static const struct check_case cases[] = {
    {"heads that say what no head may say are refused", test_refused_heads},
    {"fragments are in order, and control frames may be between them", test_state_of_fragments},
    {"only the first frame of a message is marked as deflated", test_deflated_only_at_the_first},
    {"the limit is for all fragments together", test_limit_over_fragments},
    {"pieces of any size make the same message", test_pieces},
    {"a mask is the same at any size and offset", test_mask},
    {"a head that was written can be read", test_heads_written},
    {"close codes that may be sent are told from the others", test_close_codes},
    {"the payload of a close frame is judged", test_close_payloads},
    {"the first offer of permessage-deflate that can be taken is", test_offers},
    {"text is judged as Unicode says, wherever it is cut", test_text},
    {"text fails at the first byte that cannot be", test_text_fails_fast},
};
CHECK_MAIN(cases)
