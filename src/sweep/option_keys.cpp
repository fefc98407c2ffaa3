#include "lockstep/sweep/option_keys.hpp"

#include <algorithm>
#include <array>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/train/config.hpp"

namespace lockstep {

std::string option_name(std::string_view key) {
  return std::string(key.substr(0, key.find('.')));
}

std::size_t option_position(std::string_view key) {
  const std::size_t point = key.find('.');
  if (point == std::string_view::npos) return 0;
  const std::uint64_t position =
      parse_unsigned(key.substr(point + 1), "the position behind " + option_name(key));
  if (position == 0) throw UserError("positions of " + option_name(key) + " count from 1, found 0");
  return position;
}

bool takes_a_list(std::string_view key) {
  const TrainOption::Kind kind = find_train_option(option_name(key)).kind;
  return option_position(key) == 0 &&
         (kind == TrainOption::Kind::text_list || kind == TrainOption::Kind::number_list);
}

std::string canonical_key(std::string_view key) {
  const TrainOption& option = find_train_option(option_name(key));
  const std::size_t position = option_position(key);
  if (position == 0) return option.key();
  if (!takes_a_list(option_name(key))) throw UserError(option.key() + " is no list, so it has no positions");
  return option.key() + "." + std::to_string(position);
}

std::string canonical_text(std::string_view key, std::string_view text) {
  const TrainOption& option = find_train_option(option_name(key));
  TrainConfig scratch;
  option.set(scratch, text);
  return option.get(scratch);
}

void check_sweepable(std::string_view name) {
  constexpr std::array<std::string_view, 4> own{"run_dir", "resume", "progress", "quiet"};
  const std::string key = find_train_option(name).key();
  if (std::find(own.begin(), own.end(), key) == own.end()) return;
  throw UserError("expected no " + key + " in a sweep, which sets it for every trial");
}

}  // namespace lockstep
