#pragma once

#include <string>

namespace lockstep {

/// A row of the table of initializers, schedules or constraints, as the documentation prints it.
struct SettingInfo {
  std::string form;     // with the defaults of its arguments: "uniform(a=-0.05,b=0.05)"
  std::string formula;  // "uniform in [a, b)"
};

}  // namespace lockstep
