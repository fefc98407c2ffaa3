#pragma once

#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockstep/core/error.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/nn/setting_info.hpp"

/// How texts such as "max_norm(2)", "cosine" or "uniform(-0.1,0.1)" are read: one table of forms for each
/// kind of setting, one parser for all of them.
namespace lockstep {

/// Which numbers are accepted: an interval, without its ends where they are open.
struct Bounds {
  double min = 0;
  double max = 0;
  bool open_min = false;
  bool open_max = false;

  bool contains(double x) const {
    return (open_min ? x > min : x >= min) && (open_max ? x < max : x <= max);  // false for NaN
  }
  /// "(0, 1]"
  std::string text() const {
    std::string interval = open_min ? "(" : "[";
    interval.append(format_exact(min)).append(", ").append(format_exact(max)).append(open_max ? ")" : "]");
    return interval;
  }
  /// Throws UserError "what: expected a number in (0, 1], found 2".
  void check(double x, const std::string& what) const {
    if (!contains(x))
      throw UserError(what + ": expected a number in " + text() + ", found " + format_exact(x));
  }
};

// Numbers so large are mistakes, and would not be finite any more in float32 once multiplied.
inline constexpr double largest_setting = 1e30;
inline constexpr Bounds any_number{-largest_setting, largest_setting};
inline constexpr Bounds positive_number{0, largest_setting, true};
inline constexpr Bounds non_negative_number{0, largest_setting};

/// One argument of a form. Without a default it has to be given.
struct SettingArgument {
  std::string name;
  Bounds bounds;
  std::optional<double> default_value;
  bool whole = false;  // must be an integer
};

/// One thing that a setting can be.
struct SettingForm {
  std::string name;
  std::vector<std::string> aliases;
  std::vector<SettingArgument> arguments;
  std::string formula = {};  // for the documentation
};

/// A parsed setting: the row of its form, a value for each argument, and the canonical text.
struct Setting {
  std::size_t form = 0;
  std::vector<double> values;
  std::string text;
};

/// "zeros, uniform(a,b), …", for help and documentation.
inline std::string forms_text(std::span<const SettingForm> forms) {
  std::vector<std::string> texts;
  for (const SettingForm& form : forms) {
    std::vector<std::string> names;
    for (const SettingArgument& argument : form.arguments) names.push_back(argument.name);
    texts.push_back(names.empty() ? form.name : form.name + "(" + join(names, ",") + ")");
  }
  return join(texts);
}

/// The rows as the documentation prints them.
inline std::vector<SettingInfo> forms_table(std::span<const SettingForm> forms) {
  std::vector<SettingInfo> table;
  for (const SettingForm& form : forms) {
    std::vector<std::string> arguments;
    for (const SettingArgument& argument : form.arguments) {
      arguments.push_back(argument.name);
      if (argument.default_value) arguments.back() += "=" + format_exact(*argument.default_value);
    }
    table.push_back(
        {arguments.empty() ? form.name : form.name + "(" + join(arguments, ",") + ")", form.formula});
  }
  return table;
}

/// Row of `forms` with this name or alias. `kind` is for messages: "initializer". Throws UserError naming the
/// nearest.
inline std::size_t find_form(const std::string& kind, const std::string& name,
                             std::span<const SettingForm> forms) {
  const std::string wanted = canonical_name(name);
  std::vector<std::string> names, spellings;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    if (canonical_name(forms[i].name) == wanted) return i;
    names.push_back(forms[i].name);
    spellings.push_back(forms[i].name);
    for (const std::string& alias : forms[i].aliases) {
      if (canonical_name(alias) == wanted) return i;
      spellings.push_back(alias);
    }
  }
  throw UserError("unknown " + kind + " " + in_quotes(name) + suggestion(name, spellings) +
                  "; expected one of " + join(names));
}

/// Value of argument `i` of `form`, given or default.
inline double argument_value(const SettingForm& form, std::size_t i, const Call& call,
                             const std::string& where) {
  const SettingArgument& argument = form.arguments[i];
  const std::string what = where + ": " + argument.name;
  if (i >= call.arguments.size()) {
    if (argument.default_value) return *argument.default_value;
    throw UserError(what + " is missing, e.g. " + form.name + "(0.5)");
  }
  const double value = parse_double(call.arguments[i], what);
  argument.bounds.check(value, what);
  if (argument.whole && value != std::floor(value)) {
    throw UserError(what + ": expected a whole number, found " + call.arguments[i]);
  }
  return value;
}

/// Reads "name" or "name(1,2)". Throws UserError for unknown names (naming the nearest), for missing or
/// surplus arguments and for numbers out of range.
inline Setting parse_setting(const std::string& kind, std::string_view text,
                             std::span<const SettingForm> forms) {
  const Call call = parse_call(text);
  Setting setting;
  setting.form = find_form(kind, call.name, forms);
  const SettingForm& form = forms[setting.form];
  const std::string where = kind + " '" + std::string(text) + "'";
  if (call.arguments.size() > form.arguments.size()) {
    throw UserError(where + ": expected at most " + std::to_string(form.arguments.size()) +
                    " numbers in parentheses, found " + std::to_string(call.arguments.size()));
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < form.arguments.size(); ++i) {
    setting.values.push_back(argument_value(form, i, call, where));
    texts.push_back(format_exact(setting.values.back()));
  }
  setting.text = texts.empty() ? form.name : form.name + "(" + join(texts, ",") + ")";
  return setting;
}

}  // namespace lockstep
