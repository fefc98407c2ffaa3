// The one table of training options. To add an option: its field in TrainConfig and its row here.

#include "lockstep/nn/constraint.hpp"
#include "lockstep/nn/initializer.hpp"
#include "lockstep/nn/optimizer.hpp"
#include "lockstep/nn/schedule.hpp"
#include "option_builders.hpp"

namespace lockstep {
namespace {

using Kind = TrainOption::Kind;
using OnResume = TrainOption::OnResume;

/// "512x6" → six widths of 512.
void append_widths(const std::string& part, std::vector<std::size_t>& widths) {
  constexpr std::uint64_t most_layers = 10000;
  const std::string flag = "--hidden";
  const std::size_t cross = part.find('x');
  const bool has_counts = !part.empty() && cross != 0 && cross + 1 != part.size();
  if (!has_counts) refuse(flag, "widths as 128 or 512x6", part);
  const std::uint64_t width = parse_count(flag, part.substr(0, cross), 1);
  const std::uint64_t layers = cross == std::string::npos ? 1 : parse_count(flag, part.substr(cross + 1), 1);
  if (layers > most_layers - widths.size()) {
    refuse(flag, "at most " + std::to_string(most_layers) + " layers", part);
  }
  widths.insert(widths.end(), layers, width);
}

TrainOption hidden_option() {
  TrainOption option =
      row("hidden", "LIST", "Widths of the hidden layers; 512x6: six of 512; none: no hidden layer",
          Kind::number_list);
  option.set = [](TrainConfig& config, std::string_view text) {
    std::vector<std::size_t> widths;
    if (text != "none") {
      for (const std::string& part : split_list(text)) append_widths(part, widths);
      if (widths.empty()) refuse("--hidden", "widths separated by commas, or none", text);
    }
    config.hidden = std::move(widths);
  };
  option.get = [](const TrainConfig& config) {
    std::vector<std::string> texts;
    for (const std::size_t width : config.hidden) texts.push_back(std::to_string(width));
    return texts.empty() ? std::string("none") : join(texts, ",");
  };
  return option;
}

TrainOption dropout_option() {
  TrainOption option = row("dropout", "LIST", "Share of units dropped: one for all, or one per hidden layer",
                           Kind::number_list);
  option.set = [](TrainConfig& config, std::string_view text) {
    std::vector<double> rates;
    if (text != "off") {
      for (const std::string& part : split_list(text))
        rates.push_back(parse_allowed("--dropout", part, below_one));
      if (rates.empty()) refuse("--dropout", "rates in [0, 1) separated by commas, or off", text);
    }
    config.dropout = std::move(rates);
  };
  option.get = [](const TrainConfig& config) {
    std::vector<std::string> texts;
    for (const double rate : config.dropout) texts.push_back(format_exact(rate));
    return texts.empty() ? std::string("off") : join(texts, ",");
  };
  return option;
}

CheckpointInterval parse_interval(std::string_view text) {
  using Unit = CheckpointInterval::Unit;
  struct UnitName {
    std::string_view name;
    Unit unit;
    double factor;
  };
  // The plurals end in "s" too, so that stands last.
  constexpr UnitName units[] = {
      {"epochs", Unit::epochs, 1},    {"epoch", Unit::epochs, 1},    {"steps", Unit::steps, 1},
      {"step", Unit::steps, 1},       {"seconds", Unit::seconds, 1}, {"second", Unit::seconds, 1},
      {"minutes", Unit::seconds, 60}, {"minute", Unit::seconds, 60}, {"hours", Unit::seconds, 3600},
      {"hour", Unit::seconds, 3600},  {"min", Unit::seconds, 60},    {"h", Unit::seconds, 3600},
      {"s", Unit::seconds, 1}};
  const std::string flag = "--checkpoint-every";
  for (const UnitName& unit : units) {
    if (!text.ends_with(unit.name)) continue;
    const std::string_view number = text.substr(0, text.size() - unit.name.size());
    if (unit.unit != Unit::seconds) {
      return {static_cast<double>(parse_count(flag, number, 1)), unit.unit};
    }
    return {parse_allowed(flag, number, positive) * unit.factor, unit.unit};
  }
  refuse(flag, "a number with a unit, as 60s, 5min, 1epoch or 500steps", text);
}

std::string format_interval(const CheckpointInterval& interval) {
  const std::string count = format_exact(interval.count);
  if (interval.unit == CheckpointInterval::Unit::seconds) return count + "s";
  const char* unit = interval.unit == CheckpointInterval::Unit::epochs ? "epoch" : "step";
  return count + unit + (interval.count == 1 ? "" : "s");
}

TrainOption interval_option() {
  TrainOption option =
      row("checkpoint-every", "60s|1epoch|500steps",
          "How often a checkpoint is written; there is always one at the end and on a signal", Kind::text);
  option.set = [](TrainConfig& config, std::string_view text) {
    config.checkpoint_every = parse_interval(text);
  };
  option.get = [](const TrainConfig& config) { return format_interval(config.checkpoint_every); };
  return option;
}

TrainOption init_generator_option() {
  TrainOption option =
      row("init-generator", "philox|mt19937",
          "Random numbers of the initializers: counter-based, or as np.random.seed draws them", Kind::text);
  option.set = [](TrainConfig& config, std::string_view text) {
    config.init_generator = naming("--init-generator", [&] { return parse_init_generator(text); });
  };
  option.get = [](const TrainConfig& config) { return init_generator_name(config.init_generator); };
  return option;
}

std::string optimizer_names() {
  std::vector<std::string> names;
  for (const OptimizerInfo& info : optimizer_table()) names.push_back(info.name);
  return join(names);
}
std::string canonical_optimizer(std::string_view text) {
  return find_optimizer(text).name;
}
std::string canonical_schedule(std::string_view text) {
  return Schedule(text, 0, 1, 1).text();
}

const std::vector<std::pair<std::string, std::string>> monitors{
    {"val_loss", "val_loss"}, {"val_accuracy", "val_accuracy"}, {"loss", "loss"}, {"accuracy", "accuracy"}};
const std::vector<std::pair<std::string, std::string>> log_levels{
    {"error", "error"}, {"warn", "warn"}, {"info", "info"}, {"debug", "debug"}};
const std::vector<std::pair<std::string, Precision>> precisions{{"float32", Precision::float32},
                                                                {"float64", Precision::float64}};
const std::vector<std::pair<std::string, Arithmetic>> arithmetics{{"openblas", Arithmetic::openblas},
                                                                  {"exact", Arithmetic::exact}};

using Options = std::vector<TrainOption>;

Options data_options() {
  return {
      text_option("data", "FILE", "Dataset file made by `lockstep convert` (required)", &TrainConfig::data,
                  "none"),
      optional_count_option("limit-train", "Train on the first N rows", &TrainConfig::limit_train, "all"),
      optional_count_option("limit-test", "Test on the first N rows", &TrainConfig::limit_test, "all"),
      number_option("validation-split", "Hold out the last share X of the training rows",
                    &TrainConfig::validation_split, below_one),
      on_off_option("validation-stratified", "Draw the held-out rows per class, by the seed",
                    &TrainConfig::validation_stratified),
  };
}

Options model_options() {
  return {
      hidden_option(),
      item_list_option<Activation>("activation",
                                   "Activation: one for all, or one per hidden layer; `lockstep activations` "
                                   "lists them",
                                   &TrainConfig::activation, "auto"),
      text_option("output", "NAME", "Output function: softmax, sigmoid, identity; auto: by task",
                  &TrainConfig::output, "auto"),
      text_option("loss", "NAME", "Loss: cross_entropy, binary_cross_entropy, mse, mae, huber; auto: by task",
                  &TrainConfig::loss, "auto"),
      item_list_option<Initializer>(
          "init",
          "Initializer: one for all, or one per layer with the output; auto: by activation; " +
              initializer_forms(),
          &TrainConfig::init, "auto"),
      init_generator_option(),
      choice_option<Precision>("precision", "Type of parameters and arithmetic", &TrainConfig::precision,
                               precisions),
      choice_option<Arithmetic>("arithmetic",
                                "How products are computed: by OpenBLAS, or with bits defined everywhere",
                                &TrainConfig::arithmetic, arithmetics),
      count_option("seed", "Seed of all random numbers", &TrainConfig::seed, 0),
  };
}

Options optimizer_options() {
  return {
      checked_text_option("optimizer", "NAME", optimizer_names(), &TrainConfig::optimizer,
                          canonical_optimizer),
      optional_number_option("learning-rate", "Learning rate; auto: the optimizer's",
                             &TrainConfig::learning_rate, positive),
      optional_number_option("momentum", "Momentum (momentum, nesterov, lars, rmsprop)",
                             &TrainConfig::momentum, below_one),
      optional_number_option("rho", "Decay of the mean square (rmsprop)", &TrainConfig::rho, below_one),
      optional_number_option("beta1", "Decay of the first moment (adam, adamw, lamb)", &TrainConfig::beta1,
                             below_one),
      optional_number_option("beta2", "Decay of the second moment (adam, adamw, lamb)", &TrainConfig::beta2,
                             below_one),
      optional_number_option("epsilon", "Added to divisors", &TrainConfig::epsilon, not_negative),
      optional_number_option("weight-decay", "Decoupled weight decay (adamw, lars, lamb)",
                             &TrainConfig::weight_decay, not_negative),
      optional_number_option("trust", "Trust coefficient (lars)", &TrainConfig::trust, positive),
      checked_text_option("schedule", "NAME", "Of the learning rate: " + schedule_forms(),
                          &TrainConfig::schedule, canonical_schedule),
      count_option("warmup-steps", "Steps in which the learning rate rises linearly",
                   &TrainConfig::warmup_steps, 0),
  };
}

Options batch_options() {
  return {
      count_option("batch-size", "Rows of one step over ALL ranks", &TrainConfig::batch_size, 1),
      optional_count_option(
          "shards",
          "Parts that the training set is cut into, at least as many as ranks; the results depend "
          "on it; auto: 8, at most the batch size",
          &TrainConfig::shards, "auto"),
      count_option("epochs", "Passes over the training rows", &TrainConfig::epochs, 1),
      optional_count_option("max-steps",
                            "Stop after N steps, without a further evaluation, status 0; raise it to go on",
                            &TrainConfig::max_steps, "none"),
      optional_number_option("max-seconds", "Stop after X seconds, resumably", &TrainConfig::max_seconds,
                             positive, "none"),
      on_off_option("shuffle", "Permute the rows of each shard anew in every epoch", &TrainConfig::shuffle),
      on_off_option("drop-last", "Leave out a short last batch", &TrainConfig::drop_last),
  };
}

Options regularization_options() {
  return {
      number_option("l1", "Penalty X * sum |w| on kernels", &TrainConfig::l1, not_negative),
      number_option("l2", "Penalty X * sum w^2 on kernels", &TrainConfig::l2, not_negative),
      dropout_option(),
      number_option("label-smoothing", "Share of the target spread over all classes",
                    &TrainConfig::label_smoothing, below_one),
      number_option("clip-norm", "Scale the gradient down to this norm", &TrainConfig::clip_norm,
                    not_negative),
      number_option("clip-value", "Cut each gradient element to [-X, X]", &TrainConfig::clip_value,
                    not_negative),
      item_list_option<Constraint>("constraint",
                                   constraint_forms() + ": one for all, or one per layer with the output",
                                   &TrainConfig::constraint, "none"),
      count_option("early-stopping", "Stop after N evaluations without improvement of --monitor",
                   &TrainConfig::early_stopping, 0, "off"),
      choice_option<std::string>(
          "monitor",
          "What early stopping and the best checkpoint go by; loss or accuracy of the training rows without "
          "--validation-split",
          &TrainConfig::monitor, monitors),
  };
}

Options run_options() {
  return {
      text_option("run-dir", "DIR", "Where the run writes; auto: runs/<data>-<model>-seed<seed>",
                  &TrainConfig::run_dir, "auto"),
      text_option("resume", "auto|never|PATH",
                  "Go on from the newest checkpoint, start anew, or begin with PATH's", &TrainConfig::resume),
      interval_option(),
      count_option("keep-checkpoints", "Checkpoints kept, besides best and last",
                   &TrainConfig::keep_checkpoints, 1),
      number_option("stall-timeout",
                    "End the job if no rank gets further for X seconds, naming who is missing; 0: never",
                    &TrainConfig::stall_timeout_seconds, not_negative),
      count_option("verify-every", "Compare the nodes' copies of the weights every N steps; 0: never",
                   &TrainConfig::verify_every, 0),
      choice_option<Evaluator>("evaluator", "Who evaluates; both give the same bits", &TrainConfig::evaluator,
                               {{"rank0", Evaluator::rank0}, {"all", Evaluator::all}}),
      choice_option<Transport>(
          "transport",
          "How ranks of one node exchange: through shared memory, if it has room, or by messages",
          &TrainConfig::transport,
          {{"auto", Transport::automatic}, {"shared", Transport::shared}, {"messages", Transport::messages}}),
      on_off_option("diagnostics",
                    "Write gradient norms, dead and saturated units of each layer to diagnostics.csv",
                    &TrainConfig::diagnostics),
      choice_option<ProgressStyle>("progress", "How progress is shown; auto: a bar on a terminal, else lines",
                                   &TrainConfig::progress,
                                   {{"auto", ProgressStyle::automatic},
                                    {"bar", ProgressStyle::bar},
                                    {"lines", ProgressStyle::lines},
                                    {"off", ProgressStyle::off}}),
      on_off_option("quiet", "Print errors and warnings only", &TrainConfig::quiet),
      choice_option<std::string>(
          "log-level", "What goes to log.txt; debug: also how far a run is, ten times a second at most",
          &TrainConfig::log_level, log_levels),
  };
}

Options evaluation_options() {
  return {
      count_option("evaluate-every",
                   "Evaluate after the first epoch, then every N-th after it, and after the last",
                   &TrainConfig::evaluate_every, 1),
      choice_option<Reduction>(
          "reduction", "allreduce: plain MPI_Allreduce, the same bits for equal numbers of ranks only",
          &TrainConfig::reduction,
          {{"reproducible", Reduction::reproducible}, {"allreduce", Reduction::allreduce}}),
  };
}

void append(Options& all, const char* group, OnResume on_resume, Options options) {
  for (TrainOption& option : options) {
    option.group = group;
    option.on_resume = on_resume;
    all.push_back(std::move(option));
  }
}

/// Options that a resumed run may change although others of their group have to be equal.
bool is_free_on_resume(const std::string& name) {
  return name == "data" || name == "epochs" || name == "max-steps" || name == "max-seconds";
}

Options make_train_options() {
  Options all;
  append(all, "Data", OnResume::must_match, data_options());
  append(all, "Model", OnResume::must_match, model_options());
  append(all, "Optimizer", OnResume::must_match, optimizer_options());
  append(all, "Batches", OnResume::must_match, batch_options());
  append(all, "Regularization", OnResume::must_match, regularization_options());
  append(all, "Evaluation and exchange", OnResume::must_match, evaluation_options());
  append(all, "Run", OnResume::may_differ, run_options());
  const TrainConfig defaults;
  for (TrainOption& option : all) {
    option.default_text = option.get(defaults);
    if (is_free_on_resume(option.name)) option.on_resume = OnResume::may_differ;
  }
  return all;
}

/// The name of a value, or the value of a name, in a list of choices.
template <class E>
std::string name_of(const std::vector<std::pair<std::string, E>>& choices, E value) {
  return std::find_if(choices.begin(), choices.end(), [&](const auto& c) { return c.second == value; })
      ->first;
}

template <class E>
E value_of(const std::vector<std::pair<std::string, E>>& choices, const char* what, std::string_view text) {
  std::vector<std::string> names;
  for (const auto& choice : choices) {
    if (choice.first == text) return choice.second;
    names.push_back(choice.first);
  }
  refuse(what, join(names, " or "), text);
}

}  // namespace

std::span<const TrainOption> train_options() {
  static const Options options = make_train_options();
  return options;
}

std::string precision_name(Precision precision) {
  return name_of(precisions, precision);
}
Precision parse_precision(std::string_view text) {
  return value_of(precisions, "precision", text);
}
std::string arithmetic_name(Arithmetic arithmetic) {
  return name_of(arithmetics, arithmetic);
}
Arithmetic parse_arithmetic(std::string_view text) {
  return value_of(arithmetics, "arithmetic", text);
}

}  // namespace lockstep
