#pragma once

#include "lockstep/dist/communicator.hpp"
#include "lockstep/io/dataset.hpp"
#include "lockstep/train/batch_sampler.hpp"
#include "lockstep/train/config.hpp"
#include "lockstep/train/validation_split.hpp"

namespace lockstep {

/// The rows that one rank holds during training.
template <class T>
struct TrainingData {
  BatchPlan plan;
  Range own_shards;
  Rows<T> train;                    // of the own shards, ascending
  std::size_t validation_rows = 0;  // over all ranks; 0: no validation split
  Rows<T> validation;               // this rank's evaluation_rows
  std::size_t test_rows = 0;        // over all ranks; 0: the dataset has no test split
  Rows<T> test;
};

/// Which file rows are trained on and which are held out (collective: a stratified split needs the labels,
/// which rank 0 reads for all).
RowSplit select_training_rows(const Communicator& world, const TrainConfig& config, const DatasetInfo& info);

/// Reads this rank's rows (collective). Every row of /train is read by exactly one rank, the test split by
/// the evaluators alone. Throws AgreedError for damaged data.
template <class T>
TrainingData<T> load_training_data(const Communicator& world, const TrainConfig& config,
                                   const DatasetInfo& info);

}  // namespace lockstep
