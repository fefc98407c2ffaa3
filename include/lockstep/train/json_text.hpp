#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep {

/// JSON as a text, on one line if `indent` is negative. Paths, host names and what stands in files may be of
/// any bytes: what is no UTF-8 becomes U+FFFD instead of an exception.
template <class Json>
std::string json_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace lockstep
