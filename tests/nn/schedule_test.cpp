#include "lockstep/nn/schedule.hpp"

#include <gtest/gtest.h>

#include <string>

#include "lockstep/core/error.hpp"
#include "nn/schedule_values.hpp"

namespace lockstep {
namespace {

TEST(Schedule, EqualsItsFormula) {
  for (const auto& value : testing::schedule_values) {
    const Schedule schedule(value.text, value.warmup_steps, testing::total_steps, testing::steps_per_epoch);
    EXPECT_NEAR(schedule.factor(value.step), value.factor, 1e-14)
        << value.text << ", warm-up " << value.warmup_steps << ", step " << value.step;
  }
}

TEST(Schedule, ConstantIsOneExactly) {
  const Schedule schedule("constant", 0, 100, 10);
  for (const std::uint64_t step : {0U, 1U, 50U, 99U, 1000U}) EXPECT_EQ(schedule.factor(step), 1.0);
}

TEST(Schedule, WarmUpEndsAtTheFullRate) {
  const Schedule schedule("constant", 4, 100, 10);
  EXPECT_EQ(schedule.factor(0), 0.25);
  EXPECT_EQ(schedule.factor(3), 1.0);
  EXPECT_EQ(schedule.factor(4), 1.0);
}

TEST(Schedule, StaysAtItsEndAfterTheLastStep) {
  const Schedule linear("linear(0.25)", 0, 100, 10), cosine("cosine(0.25)", 0, 100, 10);
  EXPECT_EQ(linear.factor(500), 0.25);
  EXPECT_NEAR(cosine.factor(500), 0.25, 1e-15);
}

TEST(Schedule, TextParsesToTheSameSchedule) {
  for (const std::string text :
       {"constant", "step(10,0.1)", "exponential(0.95)", "cosine(0)", "linear(0.5)"}) {
    EXPECT_EQ(Schedule(text, 0, 1, 1).text(), text);
  }
  EXPECT_EQ(Schedule("step", 0, 1, 1).text(), "step(10,0.1)");
  EXPECT_EQ(Schedule("StepLR(5)", 0, 1, 1).text(), "step(5,0.1)");
  EXPECT_EQ(Schedule("ExponentialLR(0.9)", 0, 1, 1).text(), "exponential(0.9)");
  EXPECT_EQ(Schedule("LinearLR", 0, 1, 1).text(), "linear(0)");
  EXPECT_EQ(Schedule("CosineDecay", 0, 1, 1).text(), "cosine(0)");
}

TEST(Schedule, RefusesBadTexts) {
  for (const std::string text : {"step(0,0.1)", "step(1.5)", "step(3,0)", "step(3,-1)", "step(1,2,3)",
                                 "exponential(0)", "exponential(nan)", "cosine(-0.1)", "cosine(x)",
                                 "linear(inf)", "linear(0.1", "constant(1)", "", "cosines and sines"}) {
    EXPECT_THROW(Schedule(text, 0, 1, 1), UserError) << text;
  }
}

TEST(Schedule, NamesTheNearest) {
  try {
    Schedule("cosin", 0, 1, 1);
    FAIL() << "accepted";
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("'cosine'"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace lockstep
