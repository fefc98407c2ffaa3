#include "lockstep/train/diagnostics.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "temporary_directory.hpp"

namespace lockstep {
namespace {

ModelSpec small_net(const std::string& activation) {
  ModelSpec spec;
  spec.widths = {2, 3, 2};
  spec.activations = {Activation(activation)};
  spec.dropout = {0};
  return spec;
}

UnitCounts counts_of(const ModelSpec& spec, const std::vector<double>& pre_activations, std::size_t rows) {
  Workspace<double> workspace(spec, rows);
  std::copy(pre_activations.begin(), pre_activations.end(), workspace.pre_activations[0].begin());
  UnitCounts counts(spec);
  const ParameterLayout layout = make_layout(spec, sizeof(double));
  std::vector<double> parameters(layout.size());
  initialize_activations<double>(spec, layout, parameters);
  count_unit_rows<double>(spec, layout, parameters, workspace, rows, counts);
  return counts;
}

TEST(Diagnostics, AReluUnitWithoutPositiveInputIsDead) {
  const UnitCounts counts = counts_of(small_net("relu"),
                                      {-1, 2, 0,  //
                                       -2, -1, 3},
                                      2);
  EXPECT_EQ(counts.live_rows, (std::vector<std::int64_t>{0, 1, 1}));
}

TEST(Diagnostics, ASigmoidUnitFarOutIsSaturatedButAlive) {
  // sigmoid'(6) = 0.0025 is below 5 % of its maximum 0.25, sigmoid'(2) = 0.105 is not.
  const UnitCounts counts = counts_of(small_net("sigmoid"), {6, 2, -6}, 1);
  EXPECT_EQ(counts.live_rows, (std::vector<std::int64_t>{1, 1, 1}));
  EXPECT_EQ(counts.unsaturated_rows, (std::vector<std::int64_t>{0, 1, 0}));
}

TEST(Diagnostics, NormsAreThoseOfTheLayers) {
  const ModelSpec spec = small_net("relu");
  const ParameterLayout layout(spec.widths, sizeof(double));
  std::vector<double> gradient(layout.size(), 0.0), update(layout.size(), 0.0), weights(layout.size(), 0.0);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    for (std::size_t i = 0; i < layout.kernel(layer).size(); ++i) {
      gradient[layout.kernel(layer).offset + i] = 2;
      update[layout.kernel(layer).offset + i] = -0.5;
      weights[layout.kernel(layer).offset + i] = 5;
    }
    gradient[layout.bias(layer).offset] = 1;
  }
  const auto squares = [&](const std::vector<double>& flat) {
    std::vector<double> sums(layout.blocks());
    // In two parts, as two ranks would.
    const std::size_t middle = layout.blocks() / 2;
    const std::size_t cut = layout.block_starts()[middle];
    block_squares<double>(layout, {0, middle}, std::span(flat).first(cut), sums);
    block_squares<double>(layout, {middle, layout.blocks()}, std::span(flat).subspan(cut), sums);
    return sums;
  };
  UnitCounts counts(spec);
  counts.live_rows = {0, 1, 2};
  counts.unsaturated_rows = {0, 0, 1};
  const auto layers =
      layer_diagnostics(spec, layout, squares(gradient), squares(update), squares(weights), counts);
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].layer, layout.kernel(0).layer);
  EXPECT_DOUBLE_EQ(layers[0].gradient_norm, std::sqrt(6 * 4 + 1));
  EXPECT_DOUBLE_EQ(layers[0].update_ratio, 0.1);
  EXPECT_DOUBLE_EQ(layers[0].dead_units, 1.0 / 3);
  EXPECT_DOUBLE_EQ(layers[0].saturated_units, 2.0 / 3);
  EXPECT_DOUBLE_EQ(layers[1].gradient_norm, std::sqrt(6 * 4 + 1));
  EXPECT_TRUE(std::isnan(layers[1].dead_units));
}

TEST(Diagnostics, AreWrittenAsATable) {
  const TemporaryDirectory directory;
  EpochTable table = diagnostics_table(directory.path());
  table.open_after(0);
  const LayerDiagnostics row{"dense_0", 0.5, 0.25, 1, 0.001};
  append_diagnostics(table, 1, 10, std::span(&row, 1));
  EXPECT_EQ(read_text(directory / "diagnostics.csv"),
            "epoch,step,layer,gradient_norm,dead_units,saturated_units,update_ratio\n1,10,dense_0,0.5,0.25,1,"
            "0.001\n");
}

}  // namespace
}  // namespace lockstep
