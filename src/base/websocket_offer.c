/* base/websocket_offer.c — which offer of permessage-deflate (RFC 7692, section 7.1) is taken. Deflates
 * nothing. */
#include "base/websocket.h"

#include <string.h>
#include <strings.h>

/* What is left of a field's text. */
struct offers {
  const char *at;
  const char *end;
};

static void skip_blanks(struct offers *offers) {
  while (offers->at < offers->end && (*offers->at == ' ' || *offers->at == '\t')) offers->at++;
}

/* The next token; false when there is none. */
static bool read_token(struct offers *offers, struct offers *token) {
  skip_blanks(offers);
  token->at = offers->at;
  while (offers->at < offers->end && !strchr(" \t,;=\"", *offers->at)) offers->at++;
  token->end = offers->at;
  skip_blanks(offers);
  return token->at < token->end;
}

static bool take_byte(struct offers *offers, char byte) {
  if (offers->at == offers->end || *offers->at != byte) return false;
  offers->at++;
  return true;
}

static bool token_is(const struct offers *token, const char *name) {
  size_t size = strlen(name);
  return (size_t)(token->end - token->at) == size && strncasecmp(token->at, name, size) == 0;
}

/* Bits of a window behind "=", plain or in quotes; 0 when they are none. */
static unsigned read_bits(struct offers *offers) {
  struct offers value;
  bool is_quoted = take_byte(offers, '"');
  if (!read_token(offers, &value) || (is_quoted && !take_byte(offers, '"'))) return 0;
  unsigned bits = 0;
  for (const char *at = value.at; at < value.end; at++) {
    if (*at < '0' || *at > '9' || bits > 99 || (at == value.at && *at == '0')) return 0;
    bits = bits * 10 + (unsigned)(*at - '0');
  }
  return bits >= 8 && bits <= 15 ? bits : 0;
}

enum parameter { SERVER_TAKEOVER, CLIENT_TAKEOVER, SERVER_BITS, CLIENT_BITS, PARAMETER_COUNT };

static const char *const parameter_names[PARAMETER_COUNT] = {
    "server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits",
    "client_max_window_bits"};

/* One parameter, behind its ";". False: it is none, or was there already (a bit in *seen). */
static bool read_parameter(struct offers *offers, unsigned *seen, unsigned *server_bits) {
  struct offers name;
  unsigned which = 0;
  if (!read_token(offers, &name)) return false;
  while (which < PARAMETER_COUNT && !token_is(&name, parameter_names[which])) which++;
  if (which == PARAMETER_COUNT || *seen & 1u << which) return false;
  *seen |= 1u << which;
  if (!take_byte(offers, '=')) return which != SERVER_BITS;
  if (which != SERVER_BITS && which != CLIENT_BITS) return false;
  skip_blanks(offers);
  unsigned bits = read_bits(offers);
  if (which == SERVER_BITS) *server_bits = bits;
  return bits > 0;
}

unsigned websocket_choose_deflate(const char *text, size_t size, bool *names_window) {
  struct offers offers = {.at = text, .end = text + size};
  do {
    struct offers name;
    unsigned seen = 0, bits = 15;
    bool is_good = read_token(&offers, &name) && token_is(&name, "permessage-deflate");
    while (is_good && take_byte(&offers, ';')) is_good = read_parameter(&offers, &seen, &bits);
    skip_blanks(&offers);
    is_good = is_good && (offers.at == offers.end || *offers.at == ',');
    *names_window = seen & 1u << SERVER_BITS;
    if (is_good && bits > 8) return bits; /* zlib has no window of 8 bits */
    while (offers.at < offers.end && *offers.at != ',') offers.at++;
  } while (take_byte(&offers, ','));
  return 0;
}
