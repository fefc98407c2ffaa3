#include "lockstep/train/config.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "lockstep/core/error.hpp"
#include "temporary_directory.hpp"
#include "user_error_message.hpp"

namespace lockstep {
namespace {

DatasetInfo mnist() {
  DatasetInfo info;
  info.path = "data/mnist.h5";
  info.task = Task::classification;
  info.train_rows = 60000;
  info.test_rows = 10000;
  info.features = 784;
  info.x_shape = {28, 28};
  info.outputs = 10;
  return info;
}

DatasetInfo regression() {
  DatasetInfo info = mnist();
  info.task = Task::regression;
  info.outputs = 3;
  return info;
}

/// The default config with options given as "name=text".
TrainConfig config_with(const std::vector<std::string>& settings) {
  TrainConfig config;
  config.data = "data/mnist.h5";
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    set_option(config, setting.substr(0, equals), setting.substr(equals + 1));
  }
  return config;
}

TrainConfig resolved(const std::vector<std::string>& settings) {
  return resolve(config_with(settings), mnist());
}

std::string text(const TrainConfig& config, std::string_view name) {
  return find_train_option(name).get(config);
}

#define EXPECT_MENTIONS(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

TEST(TrainOptions, HaveHelpAndDefaultsThatParse) {
  TrainConfig config;
  for (const TrainOption& option : train_options()) {
    EXPECT_FALSE(option.help.empty()) << option.name;
    EXPECT_FALSE(option.group.empty()) << option.name;
    EXPECT_NO_THROW(option.set(config, option.default_text)) << option.name;
    EXPECT_EQ(option.get(config), option.default_text) << option.name;
  }
}

TEST(TrainOptions, HaveTheDefaultsOfTheDesign) {
  const TrainConfig defaults;
  EXPECT_EQ(text(defaults, "hidden"), "128");
  EXPECT_EQ(text(defaults, "activation"), "relu");
  EXPECT_EQ(text(defaults, "optimizer"), "adam");
  EXPECT_EQ(text(defaults, "batch-size"), "128");
  EXPECT_EQ(text(defaults, "epochs"), "10");
  EXPECT_EQ(text(defaults, "shuffle"), "on");
  EXPECT_EQ(text(defaults, "drop-last"), "off");
  EXPECT_EQ(text(defaults, "monitor"), "val_loss");
  EXPECT_EQ(text(defaults, "checkpoint-every"), "60s");
  EXPECT_EQ(text(defaults, "keep-checkpoints"), "3");
  EXPECT_EQ(text(defaults, "resume"), "auto");
}

TEST(TrainOptions, AreFoundInFlagAndKeySpelling) {
  EXPECT_EQ(&find_train_option("--learning-rate"), &find_train_option("learning_rate"));
  EXPECT_EQ(find_train_option("learning-rate").key(), "learning_rate");
}

TEST(TrainOptions, AnUnknownOneNamesTheNearest) {
  EXPECT_MENTIONS(user_error_message([] { find_train_option("learning-rat"); }), "learning-rate");
}

TEST(TrainOptions, HiddenListsTakeRepetitions) {
  EXPECT_EQ(config_with({"hidden=512x6"}).hidden, std::vector<std::size_t>(6, 512));
  EXPECT_EQ(config_with({"hidden=784x2, 10"}).hidden, (std::vector<std::size_t>{784, 784, 10}));
  EXPECT_TRUE(config_with({"hidden=none"}).hidden.empty());
}

TEST(TrainOptions, ListsSplitOutsideParentheses) {
  const TrainConfig config =
      config_with({"init=uniform(-0.01,0.01),uniform(-0.1,0.1)", "activation=LeakyReLU(0.2),tanh"});
  ASSERT_EQ(config.init.size(), 2u);
  EXPECT_EQ(config.init[1].second(), 0.1);
  ASSERT_EQ(config.activation.size(), 2u);
  EXPECT_EQ(config.activation[0].parameter(), 0.2);
}

TEST(TrainOptions, CheckpointIntervalsHaveUnits) {
  using Unit = CheckpointInterval::Unit;
  const auto interval = [](const std::string& value) {
    return config_with({"checkpoint-every=" + value}).checkpoint_every;
  };
  EXPECT_EQ(interval("90s").unit, Unit::seconds);
  EXPECT_EQ(interval("0.5s").count, 0.5);
  EXPECT_EQ(interval("5min").count, 300);
  EXPECT_EQ(interval("2hours").count, 7200);
  EXPECT_EQ(interval("1epoch").unit, Unit::epochs);
  EXPECT_EQ(interval("500steps").count, 500);
  EXPECT_EQ(interval("500steps").unit, Unit::steps);
}

TEST(TrainOptions, RefuseWhatIsOutOfRangeNamingTheFlag) {
  const std::vector<std::string> wrong = {"learning-rate=nan",
                                          "learning-rate=0",
                                          "learning-rate=-1",
                                          "learning-rate=inf",
                                          "learning-rate=fast",
                                          "batch-size=0",
                                          "batch-size=-1",
                                          "batch-size=1.5",
                                          "shards=0",
                                          "epochs=0",
                                          "hidden=0",
                                          "hidden=12,,3",
                                          "hidden=",
                                          "hidden=5x0",
                                          "hidden=1x100000000000",
                                          "hidden=99999999999999999999999",
                                          "data=caf\xe9.h5",
                                          "dropout=1",
                                          "dropout=-0.1",
                                          "dropout=nan",
                                          "validation-split=1",
                                          "l1=-1",
                                          "l2=inf",
                                          "label-smoothing=1",
                                          "clip-norm=-1",
                                          "momentum=1",
                                          "beta1=1",
                                          "epsilon=-1",
                                          "checkpoint-every=60",
                                          "checkpoint-every=0s",
                                          "checkpoint-every=1.5steps",
                                          "checkpoint-every=nans",
                                          "keep-checkpoints=0",
                                          "evaluate-every=0",
                                          "max-steps=0",
                                          "max-seconds=0",
                                          "precision=float16",
                                          "arithmetic=fast",
                                          "shuffle=maybe",
                                          "monitor=vall_loss",
                                          "evaluator=rank1",
                                          "activation=leaky_relu(0.2",
                                          "activation=rellu",
                                          "optimizer=adamm",
                                          "init=uniform(1",
                                          "schedule=cosin",
                                          "constraint=nonneg(",
                                          "seed=-1",
                                          "progress=maybe",
                                          "reduction=none"};
  for (const std::string& setting : wrong) {
    const std::string message = user_error_message([&] { config_with({setting}); });
    EXPECT_MENTIONS(message, "--" + setting.substr(0, setting.find('=')));
  }
  EXPECT_MENTIONS(user_error_message([] { config_with({"activation=rellu"}); }), "relu'");
  EXPECT_MENTIONS(user_error_message([] { config_with({"optimizer=adamm"}); }), "adam");
}

/// One setting away from the default for every option, to be told apart after writing and reading.
std::vector<std::string> unusual_settings() {
  return {"data=dir with \"quotes\"\\and\ttab/x.h5",
          "limit-train=1000",
          "limit-test=100",
          "validation-split=0.1",
          "validation-stratified=on",
          "hidden=300,100",
          "activation=leaky_relu(0.2),tanh",
          "output=softmax",
          "loss=cross_entropy",
          "init=uniform(-0.5,0.5)",
          "init-generator=mt19937",
          "precision=float64",
          "arithmetic=exact",
          "seed=18446744073709551615",
          "optimizer=rmsprop",
          "learning-rate=0.1",
          "momentum=0.3",
          "rho=0.95",
          "beta1=0.8",
          "beta2=0.99",
          "epsilon=1e-08",
          "weight-decay=0.0001",
          "trust=0.002",
          "schedule=cosine(0.1)",
          "warmup-steps=100",
          "batch-size=100",
          "shards=4",
          "epochs=7",
          "max-steps=99",
          "max-seconds=0.3333333333333333",
          "shuffle=off",
          "drop-last=on",
          "l1=1e-05",
          "l2=0.0001",
          "dropout=0.1,0.2",
          "label-smoothing=0.1",
          "clip-norm=1",
          "clip-value=0.5",
          "constraint=nonneg",
          "early-stopping=5",
          "monitor=val_accuracy",
          "run-dir=runs/a",
          "resume=never",
          "checkpoint-every=10steps",
          "keep-checkpoints=5",
          "stall-timeout=12.5",
          "verify-every=100",
          "evaluate-every=2",
          "evaluator=all",
          "reduction=allreduce",
          "transport=messages",
          "diagnostics=on",
          "progress=bar",
          "quiet=on",
          "log-level=debug"};
}

TEST(ConfigToml, ReadsBackExactly) {
  const std::vector<std::string> settings = unusual_settings();
  ASSERT_EQ(settings.size(), train_options().size());
  for (const TrainConfig& config : {TrainConfig(), config_with(settings), resolved({})}) {
    TrainConfig again;
    apply_config_toml(again, config_toml(config), "config.toml");
    auto expected = config_map(config);
    expected["resume"] = expected["run_dir"] = "auto";  // not part of what a run computes
    EXPECT_EQ(config_map(again), expected) << config_toml(config);
  }
}

TEST(ConfigToml, OfAResolvedConfigResolvesToTheSame) {
  for (const char* hidden : {"hidden=none", "hidden=5", "hidden=5x3,2"}) {
    const TrainConfig config = resolved({hidden});
    TrainConfig again;
    apply_config_toml(again, config_toml(config), "config.toml");
    EXPECT_EQ(config_map(resolve(again, mnist())), config_map(config));
  }
}

TEST(ConfigToml, TakesNaturalTypesAndBothSpellings) {
  TrainConfig config;
  apply_config_toml(
      config,
      "hidden = [512, 256]\nactivation = ['relu', \"tanh\"]\nlearning_rate = 1e-3\nbatch-size = 32\n"
      "shuffle = false\nepochs = 3\ncheckpoint_every = '1epoch'\nl2 = 1\n",
      "run.toml");
  EXPECT_EQ(config.hidden, (std::vector<std::size_t>{512, 256}));
  EXPECT_EQ(config.activation.size(), 2u);
  EXPECT_EQ(config.learning_rate, 1e-3);
  EXPECT_EQ(config.batch_size, 32u);
  EXPECT_FALSE(config.shuffle);
  EXPECT_EQ(config.epochs, 3u);
  EXPECT_EQ(config.l2, 1.0);
}

TEST(ConfigToml, ErrorsNameSourceLineAndKey) {
  TrainConfig config;
  const auto error_of = [&](const std::string& toml) {
    return user_error_message([&] { apply_config_toml(config, toml, "run.toml"); });
  };
  EXPECT_MENTIONS(error_of("seed = 1\nlearning_rat = 2\n"), "run.toml, line 2, key 'learning_rat'");
  EXPECT_MENTIONS(error_of("seed = 1\nlearning_rat = 2\n"), "did you mean 'learning-rate'");
  EXPECT_MENTIONS(error_of("batch_size = 0\n"), "--batch-size");
  EXPECT_MENTIONS(error_of("seed = \n"), "run.toml, line 1");
  EXPECT_MENTIONS(error_of("[train]\nseed = 1\n"), "run.toml");
  EXPECT_MENTIONS(error_of("batch_size = 1\nbatch-size = 2\n"), "given twice");
  EXPECT_MENTIONS(user_error_message([&] { apply_config_file(config, "/nonexistent/run.toml"); }),
                  "/nonexistent/run.toml");
}

std::string repeated(std::string_view text, std::size_t times) {
  std::string result;
  for (std::size_t i = 0; i < times; ++i) result += text;
  return result;
}

TEST(ConfigToml, KeysOfManyPartsAreRefusedBeforeTheyCostTheStack) {
  const std::string key = repeated("a.", 499'999) + "a", quoted = repeated("\"a\" . ", 499'999) + "a";
  // Ends of strings and comments that are easily missed.
  const std::vector<std::string> before{"seed = 1",         "# it's",        "x = ''",
                                        R"(x = "\"")",      R"(x = '\')",    R"(x = """"a"""")",
                                        "x = '''''a'''''",  R"(x = """""")", R"(x = """a\"""")",
                                        R"(x = """a\\""")", R"("'" = "'")"};
  for (const std::string& line : {key + " = 1", quoted + " = 1", "[" + key + "]", "[[ " + key + " ]]",
                                  "y = [{" + key + " = 1}]", "y = {a.a = 1.5, " + key + " = 1}"}) {
    for (const std::string& first : before) {
      TrainConfig config;
      EXPECT_MENTIONS(
          user_error_message([&] { apply_config_toml(config, first + "\n" + line + "\n", "run.toml"); }),
          "run.toml, line 2: expected keys of at most 16 parts");
    }
  }
}

TEST(ConfigToml, DotsThatSeparateNoPartsOfAKeyCountAsNone) {
  const std::string dots = repeated("a.", 100);
  for (const std::string& value : {'"' + dots + '"', "'" + dots + "'", R"(""")" + dots + R"(""")",
                                   "'''\n" + dots + "'''", R"("\")" + dots + "\" # " + dots}) {
    TrainConfig config;
    apply_config_toml(config, "run_dir = " + value + "\nseed = 3\n", "run.toml");
    EXPECT_MENTIONS(config.run_dir, dots);
    EXPECT_EQ(config.seed, 3u);
  }
  TrainConfig config;
  const std::string floats = repeated("0.5, ", 10'000) + "\n" + repeated("0.5,\n", 100);
  apply_config_toml(config, "dropout = [" + floats + "]\n", "run.toml");
  EXPECT_EQ(config.dropout.size(), 10'100u);
  const std::string sixteen = repeated("a.", 15) + "a = 1\n";
  EXPECT_MENTIONS(user_error_message([&] { apply_config_toml(config, sixteen, "run.toml"); }), "key 'a'");
}

TEST(Resolve, FillsInDefaultsThatFitTheTaskAndTheActivation) {
  const TrainConfig config = resolved({"hidden=64,32", "activation=relu,tanh"});
  EXPECT_EQ(text(config, "init"), "he_uniform,glorot_uniform,glorot_uniform");
  EXPECT_EQ(config.output, "softmax");
  EXPECT_EQ(config.loss, "cross_entropy");
  EXPECT_EQ(config.shards, 8u);
  EXPECT_EQ(config.learning_rate, 1e-3);
  EXPECT_EQ(config.beta1, 0.9);
  EXPECT_FALSE(config.rho);
  EXPECT_EQ(config.monitor, "loss");
  EXPECT_EQ(resolve(config_with({}), regression()).loss, "mse");
}

TEST(Resolve, TwiceChangesNothing) {
  for (const std::vector<std::string>& settings :
       {std::vector<std::string>{}, {"hidden=none"}, {"hidden=8x3", "dropout=0.5", "constraint=nonneg"}}) {
    const TrainConfig once = resolved(settings);
    EXPECT_EQ(config_map(resolve(once, mnist())), config_map(once));
  }
}

TEST(Resolve, ExpandsListsToOneEntryALayer) {
  const TrainConfig config = resolved({"hidden=8x3", "activation=gelu", "dropout=0.5", "constraint=nonneg"});
  EXPECT_EQ(config.activation.size(), 3u);
  EXPECT_EQ(config.dropout.size(), 3u);
  EXPECT_EQ(config.init.size(), 4u);
  EXPECT_EQ(config.constraint.size(), 4u);
  EXPECT_TRUE(resolved({"hidden=8", "dropout=0", "constraint=none"}).dropout.empty());
}

TEST(Resolve, TheDefaultOfShardsDependsOnTheBatchSizeAlone) {
  EXPECT_EQ(resolved({"batch-size=128"}).shards, 8u);
  EXPECT_EQ(resolved({"batch-size=5"}).shards, 5u);
}

TEST(Resolve, RefusesWhatDoesNotFitTogether) {
  const auto error_of = [](const std::vector<std::string>& settings) {
    return user_error_message([&] { resolved(settings); });
  };
  EXPECT_MENTIONS(error_of({"hidden=8,8,8", "activation=relu,tanh"}), "--activation: expected 1 entry or 3");
  EXPECT_MENTIONS(error_of({"init=zeros,zeros,zeros"}), "--init");
  EXPECT_MENTIONS(error_of({"hidden=8,8", "dropout=0.1,0.1,0.1"}), "--dropout");
  EXPECT_MENTIONS(error_of({"hidden=none", "dropout=0.1"}), "--dropout");
  EXPECT_MENTIONS(error_of({"activation=step"}), "derivative is zero");
  EXPECT_MENTIONS(error_of({"shards=129"}), "--shards");
  EXPECT_MENTIONS(error_of({"limit-train=7"}), "--shards");
  EXPECT_MENTIONS(error_of({"limit-train=100", "drop-last=on"}), "--drop-last");
  EXPECT_MENTIONS(error_of({"limit-train=2", "shards=1", "validation-split=0.9"}), "--validation-split");
  EXPECT_MENTIONS(error_of({"validation-stratified=on"}), "--validation-split");
  EXPECT_MENTIONS(error_of({"early-stopping=3"}), "--early-stopping");
  EXPECT_MENTIONS(error_of({"optimizer=sgd", "beta1=0.5"}), "beta1");
  EXPECT_MENTIONS(error_of({"loss=mse"}), "mse");
  EXPECT_MENTIONS(error_of({"init-generator=mt19937", "seed=4294967296"}), "--seed");
  EXPECT_MENTIONS(user_error_message([] { resolve(config_with({"monitor=accuracy"}), regression()); }),
                  "--monitor");
  EXPECT_MENTIONS(user_error_message([] { resolve(config_with({"label-smoothing=0.1"}), regression()); }),
                  "--label-smoothing");
  EXPECT_EQ(error_of({"activation=step(surrogate=sigmoid)"}), "no error");
}

TEST(Resolve, RefusesNetworksBeyondMemoryBeforeAllocating) {
  for (const char* hidden : {"hidden=1000000000", "hidden=10000000000x2", "hidden=18446744073709551615",
                             "hidden=18446744073709551615x3"}) {
    EXPECT_MENTIONS(user_error_message([&] { resolved({hidden}); }), "memory");
  }
}

TEST(Resolve, DerivesTheRunDirectoryFromDataModelAndSeed) {
  EXPECT_EQ(resolved({}).run_dir, "runs/mnist-128-relu-seed0");
  EXPECT_EQ(resolved({"hidden=512x6", "activation=leaky_relu(0.2)", "seed=3"}).run_dir,
            "runs/mnist-512x6-leaky_relu-0.2-seed3");
  EXPECT_EQ(resolved({"hidden=none"}).run_dir, "runs/mnist-linear-seed0");
  EXPECT_EQ(resolved({"run-dir=/tmp/x"}).run_dir, "/tmp/x");
}

TEST(Resolve, ValidationMetricsNeedAValidationSplit) {
  EXPECT_EQ(resolved({"monitor=val_accuracy"}).monitor, "accuracy");
  EXPECT_EQ(resolved({"monitor=val_accuracy", "validation-split=0.1"}).monitor, "val_accuracy");
  EXPECT_TRUE(higher_is_better("val_accuracy"));
  EXPECT_FALSE(higher_is_better("loss"));
}

TEST(MakeModelSpec, DescribesTheNetwork) {
  const TrainConfig config = resolved({"hidden=64,32", "label-smoothing=0.1", "arithmetic=exact"});
  const ModelSpec spec = make_model_spec(config, mnist());
  EXPECT_EQ(spec.widths, (std::vector<std::size_t>{784, 64, 32, 10}));
  EXPECT_EQ(spec.activations.size(), 2u);
  EXPECT_EQ(spec.dropout, (std::vector<double>{0, 0}));
  EXPECT_EQ(spec.label_smoothing, 0.1);
  EXPECT_EQ(spec.arithmetic, Arithmetic::exact);
  EXPECT_EQ(make_optimizer_config(config).hyperparameters.at("epsilon"), 1e-7);
}

TEST(DifferingKeys, NameWhatKeepsARunFromBeingResumed) {
  const auto before = config_map(resolved({}));
  const auto differences = differing_keys(before, resolved({"learning-rate=0.5", "batch-size=64"}));
  ASSERT_EQ(differences.size(), 2u);
  const std::string message = describe(differences);
  EXPECT_MENTIONS(message, "learning_rate: 0.001 before, 0.5 now");
  EXPECT_MENTIONS(message, "batch_size: 128 before, 64 now");
}

TEST(DifferingKeys, LetTheRestChange) {
  const auto before = config_map(resolved({}));
  EXPECT_TRUE(differing_keys(before, resolved({"epochs=20", "max-steps=5", "max-seconds=9",
                                               "checkpoint-every=5s", "keep-checkpoints=1", "progress=off",
                                               "quiet=on", "transport=messages", "run-dir=x", "evaluator=all",
                                               "diagnostics=on", "data=elsewhere/mnist.h5"}))
                  .empty());
}

TEST(DifferingKeys, EpochsMatterWhereTheScheduleDependsOnThem) {
  const auto before = config_map(resolved({"schedule=cosine"}));
  const auto differences = differing_keys(before, resolved({"schedule=cosine", "epochs=20"}));
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].key, "epochs");
}

TEST(DifferingKeys, AKeyOfALaterVersionCountsAsItsDefault) {
  auto before = config_map(resolved({}));
  before.erase("drop_last");
  EXPECT_TRUE(differing_keys(before, resolved({})).empty());
  EXPECT_EQ(differing_keys(before, resolved({"drop-last=on"})).size(), 1u);
}

TEST(ConfigNames, ReadBack) {
  EXPECT_EQ(parse_precision(precision_name(Precision::float64)), Precision::float64);
  EXPECT_EQ(parse_arithmetic(arithmetic_name(Arithmetic::exact)), Arithmetic::exact);
  EXPECT_THROW(parse_precision("float16"), UserError);
}

}  // namespace
}  // namespace lockstep
