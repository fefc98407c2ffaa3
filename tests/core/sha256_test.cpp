#include "lockstep/core/sha256.hpp"

#include <gtest/gtest.h>

#include <string>

namespace lockstep {
namespace {

std::string digest_of(std::string_view text) {
  Sha256 sha;
  sha.update(text);
  return sha.hex_digest();
}

// The example messages of FIPS 180-4 (NIST, "Secure Hash Standard: examples with intermediate values").
TEST(Sha256, EqualsPublishedDigests) {
  EXPECT_EQ(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest_of(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnThePieces) {
  const std::string message(1000, 'x');
  for (const std::size_t piece : {1U, 63U, 64U, 65U, 999U}) {
    Sha256 sha;
    for (std::size_t begin = 0; begin < message.size(); begin += piece) {
      sha.update(std::string_view(message).substr(begin, piece));
    }
    EXPECT_EQ(sha.hex_digest(), digest_of(message));
  }
}

TEST(Sha256, CanBeMoved) {
  Sha256 first;
  first.update("ab");
  Sha256 second = std::move(first);
  second.update("c");
  EXPECT_EQ(second.hex_digest(), digest_of("abc"));
}

}  // namespace
}  // namespace lockstep
