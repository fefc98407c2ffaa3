#include "lockstep/sweep/ledger.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "lockstep/core/error.hpp"
#include "temporary_directory.hpp"

namespace lockstep {
namespace {

TrialRecord example() {
  TrialRecord record;
  record.digest = "0123456789abcdef";
  record.status = TrialStatus::halted;
  record.message = "halted";
  record.settings = {{"activation", "relu"}, {"seed", "3"}};
  record.last.epoch = 4;
  record.last.step = 40;
  record.last.loss = 0.1 + 0.2;
  record.last.test_accuracy = 1.0 / 3;
  record.parameters_sha256 = "ab";
  record.host = "here";
  record.ranks = 2;
  record.seconds = 1.5;
  record.attempts = 3;
  record.halving = {{1, 0.25, 1, 6, true}, {3, 0.5, 2, 3, false}};
  return record;
}

TEST(Ledger, ReadsBackWhatItWrote) {
  const TemporaryDirectory directory;
  const Ledger ledger(directory / "a/b");
  const TrialRecord before = example();
  ledger.write(before);
  const TrialRecord after = Ledger(directory / "a/b").read(before.digest);
  EXPECT_EQ(after.status, TrialStatus::halted);
  EXPECT_EQ(after.message, "halted");
  EXPECT_EQ(after.settings, before.settings);
  EXPECT_EQ(after.last.loss, before.last.loss);
  EXPECT_EQ(after.last.test_accuracy, before.last.test_accuracy);
  EXPECT_TRUE(std::isnan(after.last.val_loss));
  EXPECT_EQ(after.last.step, 40u);
  EXPECT_EQ(after.attempts, 3u);
  ASSERT_EQ(after.halving.size(), 2u);
  EXPECT_EQ(after.halving[1].value, 0.5);
  EXPECT_FALSE(after.halving[1].goes_on);
}

TEST(Ledger, HoldsMessagesOfAnyBytes) {
  const TemporaryDirectory directory;
  const Ledger ledger(directory.path());
  TrialRecord record = example();
  record.message = "caf\xe9.h5: no such file";
  ledger.write(record);
  EXPECT_EQ(ledger.read(record.digest).message, "caf\xef\xbf\xbd.h5: no such file");
}

TEST(Ledger, KnowsNothingOfANewTrial) {
  const TemporaryDirectory directory;
  EXPECT_EQ(Ledger(directory.path()).read("00").status, TrialStatus::waiting);
}

TEST(Ledger, LooksAnewAtATrialWhoseRecordIsDamagedAndSaysSo) {
  const TemporaryDirectory directory;
  const Ledger ledger(directory.path());
  for (const char* damage : {"", "{", "{\"digest\": \"00\"}", "[1]"}) {
    write_text(directory / "ledger/00.json", damage);
    const TrialRecord record = ledger.read("00");
    EXPECT_EQ(record.status, TrialStatus::waiting) << damage;
    EXPECT_EQ(record.digest, "00");
    EXPECT_NE(record.message.find("ledger/00.json is damaged"), std::string::npos) << record.message;
  }
}

TEST(Ledger, LetsATrialBeTakenOnce) {
  const TemporaryDirectory directory;
  const Ledger ledger(directory.path()), other(directory.path());
  {
    const FileLock mine = ledger.lock("00");
    EXPECT_THROW(other.lock("00"), LockedError);
    other.lock("01");
  }
  other.lock("00");
}

TEST(Ledger, AddsTheValuesOfARungThatAreNew) {
  const TemporaryDirectory directory;
  const Ledger ledger(directory.path());
  std::map<std::string, double> values{{"00", 7}};
  ledger.read_rung(3, values);
  EXPECT_EQ(values.size(), 1u);
  ledger.write_rung(3, "00", 0.5);
  ledger.write_rung(3, "01", 0.1 + 0.2);
  ledger.write_rung(9, "02", 1);
  write_text(directory / "halving/epoch-3/.01.tmp-host-1-1", "torn");
  ledger.read_rung(3, values);
  EXPECT_EQ(values, (std::map<std::string, double>{{"00", 7}, {"01", 0.1 + 0.2}}));
}

TEST(Metrics, HaveTheNamesOfTheColumns) {
  EpochMetrics metrics;
  metrics.val_accuracy = 0.5;
  EXPECT_EQ(metric_value(metrics, "val_accuracy"), 0.5);
  EXPECT_TRUE(std::isnan(metric_value(metrics, "loss")));
  EXPECT_THROW(metric_value(metrics, "f1"), std::logic_error);
}

}  // namespace
}  // namespace lockstep
