#include "lockstep/sweep/sweep_spec.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/sweep/option_keys.hpp"
#include "lockstep/train/config_toml.hpp"

namespace lockstep {
namespace {

struct Entry {
  std::string key;
  const toml::node* node;
};

bool is_position(std::string_view key) {
  return !key.empty() && key.find_first_not_of("0123456789") == std::string_view::npos;
}

/// The entries of a table in the file's order; `activation.1 = …` is an entry of its own.
std::vector<Entry> entries_of(const toml::table& table) {
  std::vector<Entry> entries;
  for (const auto& [key, node] : table) {
    const toml::table* const inner = node.as_table();
    const bool by_position = inner != nullptr && !inner->empty() &&
                             std::all_of(inner->begin(), inner->end(),
                                         [](const auto& entry) { return is_position(entry.first.str()); });
    if (!by_position) {
      entries.push_back({std::string(key.str()), &node});
      continue;
    }
    for (const auto& [position, value] : *inner)
      entries.push_back({std::string(key.str()) + "." + std::string(position.str()), &value});
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    const toml::source_position first = a.node->source().begin, second = b.node->source().begin;
    return std::pair(first.line, first.column) < std::pair(second.line, second.column);
  });
  return entries;
}

/// Reads the sections of one sweep file.
class SweepParser {
 public:
  SweepParser(std::string_view toml, std::string_view source)
      : source_(source), root_(parse_toml(toml, source)) {}

  SweepSpec parse() {
    check_keys(root_, {"base", "grid", "zip", "random", "exclude", "sweep"});
    spec_.source = source_;
    spec_.name = std::filesystem::path(source_).stem().string();
    if (const toml::table* const base = section("base")) read_base(*base);
    if (const toml::table* const grid = section("grid")) read_grid(*grid);
    for (const toml::table* const zip : sections("zip")) read_zip(*zip);
    if (const toml::table* const random = section("random")) read_random(*random);
    for (const toml::table* const exclusion : sections("exclude")) read_exclusion(*exclusion);
    if (const toml::table* const sweep = section("sweep")) read_settings(*sweep);
    if (spec_.directory.empty()) spec_.directory = "sweeps/" + spec_.name;
    check_positions();
    return std::move(spec_);
  }

 private:
  /// Whose message names the place in the file.
  struct PlacedError : UserError {
    using UserError::UserError;
  };

  /// Runs `work`; what it refuses is said with the place in the file.
  template <class Work>
  auto at(std::string_view key, const toml::node& node, Work&& work) const {
    try {
      return work();
    } catch (const PlacedError&) {
      throw;
    } catch (const UserError& error) {
      throw PlacedError(toml_place(source_, key, node) + error.what());
    }
  }

  /// The key's place is told by `at`.
  [[noreturn]] static void refuse(const std::string& expected, const toml::node& found) {
    throw UserError("expected " + expected + ", found " + toml_text(found));
  }

  /// `prefix`: of the keys' names in a message, as "halving."
  void check_keys(const toml::table& table, const std::vector<std::string>& known,
                  const std::string& prefix = "") const {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      throw PlacedError(toml_place(source_, prefix + name, node) + "expected one of " + join(known) +
                        ", found " + in_quotes(name) + suggestion(name, known));
    }
  }

  const toml::table* section(const char* name) const {
    const toml::node* const node = root_.get(name);
    if (node == nullptr) return nullptr;
    if (node->is_table()) return node->as_table();
    throw UserError(toml_place(source_, name, *node) + "expected a table, as [" + name + "], found " +
                    toml_text(*node));
  }

  /// [[name]] as often as it stands there; [name] is one.
  std::vector<const toml::table*> sections(const char* name) const {
    std::vector<const toml::table*> found;
    const toml::node* const node = root_.get(name);
    if (node == nullptr) return found;
    if (node->is_table()) return {node->as_table()};
    const toml::array* const array = node->as_array();
    for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
      found.push_back(array->get(i)->as_table());
      if (found.back() == nullptr) break;
    }
    if (array != nullptr && (found.empty() || found.back() != nullptr)) return found;
    throw UserError(toml_place(source_, name, *node) + "expected tables, as [[" + name + "]], found " +
                    toml_text(*node));
  }

  void read_base(const toml::table& base) {
    for (const auto& [key, node] : base) {
      at(key.str(), node, [&, name = key.str()] { check_sweepable(name); });
    }
    apply_config_table(spec_.base, base, source_);
  }

  /// The values of an axis, each tried on an option.
  std::vector<std::string> read_values(const std::string& key, const toml::node& node) const {
    std::vector<std::string> values;
    if (const toml::array* const array = node.as_array()) {
      const bool takes_lists = takes_a_list(key);
      for (const toml::node& item : *array) {
        if (item.is_array() && !takes_lists)
          refuse("a number or text each, since " + key + " is no list", node);
        values.push_back(option_text(item));
      }
    } else {
      values.push_back(option_text(node));
    }
    if (values.empty()) throw UserError("expected at least one value, found none");
    for (const std::string& value : values) {
      if (option_position(key) > 0 && split_list(value).size() > 1) refuse("one entry of a list each", node);
      canonical_text(key, value);
    }
    return values;
  }

  /// An axis may stand in one place only.
  void claim(const std::string& key) {
    check_sweepable(option_name(key));
    if (!taken_.insert(canonical_key(key)).second) throw UserError("an axis is given twice");
  }

  void read_grid(const toml::table& grid) {
    for (const auto& [key, node] : entries_of(grid)) {
      at(key, *node, [&, &key = key, &node = node] {
        claim(key);
        SweepAxis axis{{canonical_key(key)}, {}};
        for (std::string& value : read_values(key, *node)) axis.points.push_back({std::move(value)});
        spec_.axes.push_back(std::move(axis));
      });
    }
  }

  void read_zip(const toml::table& zip) {
    SweepAxis axis;
    for (const auto& [key, node] : entries_of(zip)) {
      at(key, *node, [&, &key = key, &node = node] {
        claim(key);
        const std::vector<std::string> values = read_values(key, *node);
        if (axis.keys.empty()) axis.points.resize(values.size());
        if (values.size() != axis.points.size()) {
          throw UserError("expected " + std::to_string(axis.points.size()) + " values, as many as " +
                          axis.keys.front() + " has, found " + std::to_string(values.size()));
        }
        axis.keys.push_back(canonical_key(key));
        for (std::size_t i = 0; i < values.size(); ++i) axis.points[i].push_back(values[i]);
      });
    }
    if (!axis.keys.empty()) spec_.axes.push_back(std::move(axis));
  }

  void read_random(const toml::table& random) {
    bool has_trials = false;
    for (const auto& [key, node] : entries_of(random)) {
      at(key, *node, [&, &key = key, &node = node] {
        if (key == "trials") {
          spec_.random_trials = whole_number(*node, 1);
          has_trials = true;
        } else {
          claim(key);
          spec_.random_axes.push_back(read_random_axis(key, *node));
        }
      });
    }
    if (has_trials != !spec_.random_axes.empty()) {
      throw UserError(toml_place(source_, "random", random) +
                      "expected `trials = n` and at least one axis, found " +
                      (has_trials ? "no axis" : "no `trials`"));
    }
  }

  RandomAxis read_random_axis(const std::string& key, const toml::node& node) const {
    using Law = RandomAxis::Law;
    const std::vector<std::pair<std::string, Law>> laws{{"uniform", Law::uniform},
                                                        {"log_uniform", Law::log_uniform},
                                                        {"integers", Law::integers},
                                                        {"log_integers", Law::log_integers},
                                                        {"choice", Law::choice}};
    const toml::table* const table = node.as_table();
    for (const auto& [name, law] : laws) {
      if (table == nullptr || table->size() != 1 || !table->contains(name)) continue;
      RandomAxis axis{canonical_key(key), law, 0, 0, {}};
      if (law == Law::choice) {
        axis.choices = read_values(key, *table->get(name));
      } else {
        read_bounds(axis, *table->get(name));
        const bool whole = law == Law::integers || law == Law::log_integers;
        for (const double bound : {axis.low, axis.high}) {
          canonical_text(key, whole ? std::to_string(static_cast<std::int64_t>(bound)) : format_exact(bound));
        }
      }
      return axis;
    }
    refuse(
        "{ uniform = [low, high] }, { log_uniform = … }, { integers = … }, { log_integers = … } or "
        "{ choice = [values] }",
        node);
  }

  static void read_bounds(RandomAxis& axis, const toml::node& node) {
    using Law = RandomAxis::Law;
    const toml::array* const array = node.as_array();
    const auto bound = [&](std::size_t i) { return array->get(i)->value<double>(); };
    if (array == nullptr || array->size() != 2 || !bound(0) || !bound(1)) {
      refuse("[low, high], two numbers", node);
    }
    axis.low = *bound(0);
    axis.high = *bound(1);
    const bool logarithmic = axis.law == Law::log_uniform || axis.law == Law::log_integers;
    const bool whole = axis.law == Law::integers || axis.law == Law::log_integers;
    if (!std::isfinite(axis.low) || !std::isfinite(axis.high) || axis.low > axis.high) {
      refuse("finite numbers, low ≤ high", node);
    }
    if (logarithmic && axis.low <= 0) refuse("low > 0 on a logarithmic axis", node);
    constexpr double most = 0x1p53;
    const bool fits = axis.low == std::floor(axis.low) && axis.high == std::floor(axis.high) &&
                      std::abs(axis.low) < most && std::abs(axis.high) < most;
    if (whole && !fits) refuse("whole numbers", node);
  }

  void read_exclusion(const toml::table& table) {
    SweepExclusion exclusion;
    for (const auto& [key, node] : entries_of(table)) {
      at(key, *node, [&, &key = key, &node = node] {
        SweepCondition condition{canonical_key(key), {}, {}, {}};
        if (option_position(key) > 0) refuse("the key of an option, without a position", *node);
        if (const toml::table* const bounds = node->as_table()) {
          check_keys(*bounds, {"above", "below"}, key + ".");
          condition.above = (*bounds)["above"].value<double>();
          condition.below = (*bounds)["below"].value<double>();
          const auto is_number = [](const auto& entry) { return entry.second.is_number(); };
          if (bounds->empty() || !std::ranges::all_of(*bounds, is_number))
            refuse("{ above = x, below = y }, numbers", *node);
        } else {
          for (const std::string& value : read_values(key, *node))
            condition.values.push_back(canonical_text(key, value));
        }
        exclusion.push_back(std::move(condition));
      });
    }
    if (!exclusion.empty()) spec_.exclusions.push_back(std::move(exclusion));
  }

  void read_settings(const toml::table& sweep) {
    check_keys(sweep,
               {"name", "directory", "ranks_per_trial", "metric", "over", "best", "random_seed", "halving"});
    for (const auto& [key, node] : entries_of(sweep)) {
      at(key, *node, [&, &key = key, &node = node] { read_setting(key, *node); });
    }
  }

  void read_setting(const std::string& key, const toml::node& node) {
    if (key == "name") spec_.name = check_name(text_in(node));
    if (key == "directory") spec_.directory = text_in(node);
    if (key == "ranks_per_trial") read_ranks(node);
    if (key == "metric") spec_.metric = check_metric(text_in(node));
    if (key == "best") spec_.best = whole_number(node, 0);
    if (key == "random_seed") spec_.random_seed = whole_number(node, 0);
    if (key == "halving") read_halving(node);
    if (key != "over") return;
    spec_.over.clear();
    for (const std::string& name : split_list(option_text(node))) spec_.over.push_back(canonical_key(name));
  }

  static std::string text_in(const toml::node& node) {
    const auto* const text = node.as_string();
    if (text == nullptr || text->get().empty()) refuse("a text", node);
    return text->get();
  }

  /// Of a directory in sweeps/, not of one elsewhere.
  static std::string check_name(const std::string& name) {
    const bool names_file =
        !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
    if (names_file) return name;
    throw UserError("expected a name without '/', found " + in_quotes(name) + "; `directory` takes a path");
  }

  static std::string check_metric(const std::string& name) {
    const std::vector<std::string> metrics{"loss",         "accuracy",  "val_loss",
                                           "val_accuracy", "test_loss", "test_accuracy"};
    if (std::find(metrics.begin(), metrics.end(), name) != metrics.end()) return name;
    throw UserError("expected one of " + join(metrics) + ", found " + in_quotes(name) +
                    suggestion(name, metrics));
  }

  static std::uint64_t whole_number(const toml::node& node, std::uint64_t least) {
    const auto* const number = node.as_integer();
    if (number == nullptr || number->get() < 0 || static_cast<std::uint64_t>(number->get()) < least) {
      refuse("a whole number of at least " + std::to_string(least), node);
    }
    return static_cast<std::uint64_t>(number->get());
  }

  static int ranks_in(const toml::node& node) {
    constexpr std::uint64_t most = 1 << 20;
    return static_cast<int>(std::min(whole_number(node, 1), most));
  }

  void read_ranks(const toml::node& node) {
    constexpr const char* ranks_expected = "a number, or rules { from_parameters = n, ranks = m }";
    const toml::array* const rules = node.as_array();
    if (rules == nullptr) {
      spec_.ranks_rules = {{0, ranks_in(node)}};
      return;
    }
    if (rules->empty()) refuse(ranks_expected, node);
    for (const toml::node& item : *rules) {
      const toml::table* const rule = item.as_table();
      const bool complete = rule != nullptr && rule->size() == 2 && rule->contains("from_parameters") &&
                            rule->contains("ranks");
      if (!complete) refuse(ranks_expected, node);
      spec_.ranks_rules.push_back(
          {whole_number(*rule->get("from_parameters"), 0), ranks_in(*rule->get("ranks"))});
    }
    std::stable_sort(
        spec_.ranks_rules.begin(), spec_.ranks_rules.end(),
        [](const RanksRule& a, const RanksRule& b) { return a.from_parameters < b.from_parameters; });
  }

  void read_halving(const toml::node& node) {
    const toml::table* const table = node.as_table();
    if (table == nullptr) refuse("a table { first_epochs = n, factor = m }", node);
    check_keys(*table, {"first_epochs", "factor"}, "halving.");
    HalvingSettings halving;
    for (const auto& [key, inner] : entries_of(*table)) {
      at("halving." + key, *inner, [&, &key = key, &inner = inner] {
        if (key == "first_epochs") halving.first_epochs = whole_number(*inner, 1);
        if (key == "factor") halving.factor = whole_number(*inner, 2);
      });
    }
    spec_.halving = halving;
  }

  /// "activation.1" and "activation.2" need no gap, and nobody who sets the whole list.
  void check_positions() const {
    std::set<std::string> names;
    for (const std::string& key : taken_) {
      if (option_position(key) > 0) names.insert(option_name(key));
    }
    for (const std::string& name : names) {
      std::size_t count = 0;
      while (taken_.contains(name + "." + std::to_string(count + 1))) ++count;
      const auto of_name = static_cast<std::size_t>(std::count_if(
          taken_.begin(), taken_.end(), [&](const std::string& key) { return option_name(key) == name; }));
      if (of_name != count) {
        throw UserError(source_ + ": expected the axes " + name + ".1, " + name +
                        ".2 … without a gap and without " + name);
      }
    }
  }

  std::string source_;
  toml::table root_;
  SweepSpec spec_;
  std::set<std::string> taken_;
};

}  // namespace

std::vector<std::string> SweepSpec::keys() const {
  std::vector<std::string> all;
  for (const SweepAxis& axis : axes) all.insert(all.end(), axis.keys.begin(), axis.keys.end());
  for (const RandomAxis& axis : random_axes) all.push_back(axis.key);
  return all;
}

int SweepSpec::ranks_for(std::size_t parameters) const {
  int ranks = 1;
  for (const RanksRule& rule : ranks_rules) {
    if (parameters >= rule.from_parameters) ranks = rule.ranks;
  }
  return ranks;
}

SweepSpec parse_sweep(std::string_view toml, std::string_view source_name) {
  return SweepParser(toml, source_name).parse();
}

}  // namespace lockstep
