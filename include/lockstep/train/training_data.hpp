#pragma once

#include <cstdint>
#include <vector>

#include "lockstep/dist/communicator.hpp"
#include "lockstep/dist/progress_board.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/train/batch_sampler.hpp"
#include "lockstep/train/config.hpp"
#include "lockstep/train/shared_dataset.hpp"
#include "lockstep/train/validation_split.hpp"

namespace lockstep {

/// The rows that one rank works on during training: its own ones, or those of a SharedDataset.
template <class T>
struct TrainingData {
  TrainingData() = default;
  TrainingData(TrainingData&&) noexcept = default;  // what the views look at stays where it is
  TrainingData& operator=(TrainingData&&) = delete;

  BatchPlan plan;
  Range own_shards;
  RowsView<T> train;                // of the own shards, ascending
  std::size_t validation_rows = 0;  // over all ranks; 0: no validation split
  RowsView<T> validation;           // this rank's evaluation_rows
  std::size_t test_rows = 0;        // over all ranks; 0: the dataset has no test split
  RowsView<T> test;
  bool has_room_for_index = true;  // false: zeros of sparse rows are multiplied, for want of memory

  // What the views look at, where it is not shared.
  Rows<T> own_train, own_validation, own_test;
  std::vector<std::uint32_t> train_places;
};

/// Which file rows are trained on and which are held out (collective: a stratified split needs the labels,
/// which rank 0 reads for all).
RowSplit select_training_rows(const Communicator& world, const TrainConfig& config, const DatasetInfo& info,
                              const SharedDataset* shared = nullptr);

/// Reads this rank's rows (collective), or finds them in `shared`, which has to outlive the result. Every row
/// of /train is read by exactly one rank, the test split by the evaluators alone. `board`,
/// if any, sees every transfer. Throws AgreedError for damaged data.
template <class T>
TrainingData<T> load_training_data(const Communicator& world, const TrainConfig& config,
                                   const DatasetInfo& info, const SharedDataset* shared = nullptr,
                                   ProgressBoard* board = nullptr);

}  // namespace lockstep
