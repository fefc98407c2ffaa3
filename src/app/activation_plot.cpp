#include "activation_plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace lockstep {
namespace {

// The part of the plane that every picture shows, and its size in pixels.
constexpr double x_min = -5, x_max = 5, y_min = -2, y_max = 4;
constexpr double width = 300, height = 180;
constexpr int steps_to_a_unit = 50;

constexpr std::string_view page_head = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Activation functions</title>
<style>
:root { color-scheme: light dark; --back: #fff; --card: #f6f7f9; --text: #1b1f24; --faint: #6a737d; --grid: #d9dde2;
  --f: #0b62c4; --slope: #c2410c; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171a; --card: #1e2226; --text: #e6e8ea; --faint: #9aa3ac; --grid: #353b41; --f: #6cb2ff;
    --slope: #ff9d5c; }
}
body { margin: 0 auto; padding: 1rem; max-width: 84rem; background: var(--back); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0.3rem 0; }
h2 { font-size: 1rem; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; }
section { background: var(--card); border-radius: 8px; padding: 0.8rem; break-inside: avoid; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--faint); font-size: 10px; }
code { font-size: 0.85em; overflow-wrap: anywhere; }
p { margin: 0.35rem 0 0; }
.faint { color: var(--faint); }
.grid { stroke: var(--grid); stroke-width: 0.6; }
.axis { stroke: var(--faint); stroke-width: 0.9; }
.f, .slope { fill: none; stroke-width: 2; stroke-linejoin: round; }
.f { stroke: var(--f); }
.slope { stroke: var(--slope); stroke-dasharray: 5 3; }
.key { display: inline-block; width: 1.6em; border-top: 2px solid var(--f); vertical-align: middle; }
.key.dashed { border-top: 2px dashed var(--slope); }
</style>
</head>
<body>
<h1>Activation functions</h1>
<p class="faint"><span class="key"></span> f(x) &ensp; <span class="key dashed"></span> f&prime;(x), at a kink the
slope of the left branch. x from &minus;5 to 5.</p>
<main>
)";

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else {
      result += c;
    }
  }
  return result;
}

double pixel_x(double x) {
  return (x - x_min) / (x_max - x_min) * width;
}
double pixel_y(double y) {
  return (y_max - y) / (y_max - y_min) * height;
}

/// A curve as an SVG path. It is interrupted where it jumps or is not finite.
template <class Curve>
std::string path(const char* css_class, const Curve& curve) {
  std::string data;
  bool drawing = false;
  double last = 0;
  for (int i = 0; i <= static_cast<int>((x_max - x_min) * steps_to_a_unit); ++i) {
    const double x = x_min + static_cast<double>(i) / steps_to_a_unit, y = curve(x);
    if (!std::isfinite(y)) {
      drawing = false;
      continue;
    }
    const double shown = std::clamp(y, y_min - 1, y_max + 1);
    drawing = drawing && std::abs(shown - last) < 0.3;
    data += fmt::format("{}{:.1f},{:.1f}", drawing ? "L" : "M", pixel_x(x), pixel_y(shown));
    drawing = true;
    last = shown;
  }
  return fmt::format("<path class=\"{}\" d=\"{}\"/>\n", css_class, data);
}

std::string grid() {
  std::string lines;
  for (int x = static_cast<int>(x_min); x <= x_max; ++x) {
    lines +=
        fmt::format("<path class=\"{}\" d=\"M{:.1f},0V{}\"/>", x == 0 ? "axis" : "grid", pixel_x(x), height);
  }
  for (int y = static_cast<int>(y_min); y <= y_max; ++y) {
    lines +=
        fmt::format("<path class=\"{}\" d=\"M0,{:.1f}H{}\"/>", y == 0 ? "axis" : "grid", pixel_y(y), width);
  }
  for (const int x : {-4, -2, 2, 4}) {
    lines += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>", pixel_x(x),
                         pixel_y(0) + 11, x);
  }
  for (const int y : {-1, 1, 2, 3}) {
    lines += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", pixel_x(0) + 3, pixel_y(y) - 2, y);
  }
  return lines + "\n";
}

std::string section(const Activation& f) {
  const ActivationInfo& info = f.info();
  const std::string name = escaped(f.text());
  return fmt::format(
      "<section>\n<h2>{0}</h2>\n<svg viewBox=\"0 0 {1} {2}\" role=\"img\" aria-label=\"{0} and its "
      "derivative\">\n"
      "{3}{4}{5}</svg>\n<p><code>f(x) = {6}</code></p>\n<p class=\"faint\">range {7} · largest slope "
      "{8:.4g}</p>\n"
      "<p>{9}</p>\n</section>\n",
      name, width, height, grid(), path("f", [&](double x) { return f.value(x); }),
      path("slope", [&](double x) { return f.derivative(x); }), escaped(info.formula), escaped(info.range),
      info.max_slope, escaped(info.note));
}

}  // namespace

std::string activation_plot_html(std::span<const Activation> activations) {
  std::string page(page_head);
  for (const Activation& activation : activations) page += section(activation);
  return page + "</main>\n</body>\n</html>\n";
}

}  // namespace lockstep
