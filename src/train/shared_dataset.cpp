#include "lockstep/train/shared_dataset.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>

#include "lockstep/core/instruction_set.hpp"
#include "lockstep/core/text.hpp"
#include "lockstep/dist/agreement.hpp"
#include "lockstep/dist/mpi_error.hpp"
#include "lockstep/io/available_memory.hpp"
#include "lockstep/io/shard_reader.hpp"

namespace lockstep {
namespace {

constexpr std::size_t alignment = 64;

std::size_t aligned(std::size_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment;
}

/// Makes what each rank wrote to shared memory visible to the others. Collective.
void publish(const Communicator& sharers) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  sharers.barrier();
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

/// Arrays one after the other in shared memory.
class Placement {
 public:
  template <class E>
  std::size_t place(std::size_t elements) {
    const std::size_t start = bytes_;
    bytes_ += aligned(elements * sizeof(E));
    return start;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

template <class E>
E* at(const SharedMemory& memory, std::size_t start) {
  return reinterpret_cast<E*>(memory.data() + start);
}

/// Writes this rank's rows of an array, `columns` numbers a row, and returns all of it.
template <class E>
std::span<const E> share_array(const SharedMemory& memory, std::size_t start, const std::vector<E>& mine,
                               std::size_t first_row, std::size_t rows, std::size_t columns) {
  if (columns == 0) return {};
  E* const all = at<E>(memory, start);
  std::copy(mine.begin(), mine.end(), all + first_row * columns);
  return {all, rows * columns};
}

/// Bytes that a split's rows need at most.
std::size_t split_bytes(const DatasetInfo& info, Split split, std::size_t number_bytes) {
  const std::size_t rows = info.rows(split);
  const std::size_t x_bytes = info.x_type == "uint8" ? 1 : number_bytes;
  const std::size_t y_bytes =
      info.task == Task::classification ? sizeof(std::int32_t) : info.outputs * number_bytes;
  return rows * (info.features * x_bytes + y_bytes) + 8 * alignment;
}

/// Memory of which each of the sharers has taken a part from the operating system: what others took since the
/// room was looked at would else end the process that writes. Nothing, on all of them, without room, which is
/// looked at again: where MPI finds none, one rank alone gets to know it. Collective.
std::optional<SharedMemory> take_shared_memory(const Communicator& sharers, std::size_t bytes) {
  if (sharers.size() == 1) return SharedMemory(sharers, bytes);
  if (!sharers.broadcast(shared_memory_shortage(bytes)).empty()) return std::nullopt;
  std::optional<SharedMemory> memory(std::in_place, sharers, bytes);
  const Range part = block_partition(bytes, static_cast<std::size_t>(sharers.size()),
                                     static_cast<std::size_t>(sharers.rank()));
  const bool taken =
      take_pages({memory->data() + part.begin, part.size()}) && shared_memory_shortage(0).empty();
  if (sharers.all_reduce_min(taken ? 1 : 0) == 0) memory.reset();
  return memory;
}

/// Why the ranks of a node cannot share so many bytes; empty if they can. Collective.
std::string why_not_shared(const Communicator& node, std::size_t bytes) {
  if (node.size() == 1) return "";
  std::string reason = node.broadcast(shared_memory_shortage(bytes));
  if (!reason.empty()) return reason;
  try {
    const SharedMemory probe(node, 1);
  } catch (const MpiError& error) {
    reason = error.what();
  }
  const bool fails = node.all_reduce_max(reason.empty() ? 0 : 1) == 1;
  return fails && reason.empty() ? "another rank of the node cannot" : reason;
}

/// All rows' index, from what each rank `found` in its `part` of them, in numbers of so many bytes. Nothing,
/// on all sharers, if none found any or without room. Collective.
std::optional<SharedIndex> share_index(const Communicator& sharers, const NonZeroView& found, Range part,
                                       std::size_t rows, std::size_t number_bytes) {
  const std::uint64_t mine = found.quads.size();
  const std::vector<std::uint64_t> counts = sharers.all_gather_v(std::span(&mine, 1));
  const auto own = counts.begin() + sharers.rank();
  const std::size_t first = std::accumulate(counts.begin(), own, std::size_t{0});
  const std::size_t all_quads = std::accumulate(own, counts.end(), first);
  if (all_quads == 0) return std::nullopt;
  Placement placement;
  const std::size_t quads_start = placement.place<std::uint16_t>(all_quads);
  const std::size_t starts_start = placement.place<std::size_t>(rows + 1);
  const std::size_t quad_bytes = quad_columns * number_bytes;
  const std::size_t values_start = placement.place<std::byte>(all_quads * quad_bytes);
  std::optional<SharedMemory> memory = take_shared_memory(sharers, placement.bytes());
  if (!memory) return std::nullopt;
  auto* const quads = at<std::uint16_t>(*memory, quads_start);
  auto* const starts = at<std::size_t>(*memory, starts_start);
  auto* const values = at<std::byte>(*memory, values_start);
  std::copy(found.quads.begin(), found.quads.end(), quads + first);
  std::copy(found.values.begin(), found.values.end(), values + first * quad_bytes);
  if (sharers.is_root()) starts[0] = 0;
  for (std::size_t i = 0; i < part.size(); ++i) starts[part.begin + i + 1] = first + found.starts[i + 1];
  return SharedIndex{*std::move(memory),
                     {{starts, rows + 1}, {quads, all_quads}, {values, all_quads * quad_bytes}}};
}

struct ElementCounts {
  std::int64_t nonzeros = 0, not_skippable = 0;  // elements; the others are too small, or −0
  std::size_t quads = 0;                         // that are not zero
};

template <class T>
ElementCounts count_elements(const Rows<T>& rows) {
  using Bits = std::conditional_t<sizeof(T) == sizeof(float), std::uint32_t, std::uint64_t>;
  constexpr Bits sign = ~(~Bits{0} >> 1), least = std::bit_cast<Bits>(T(NonZeroIndex::least_magnitude));
  ElementCounts counts;
  std::vector<T> row(quads_of(rows.features) * quad_columns);  // filled up with zeros
  for (std::size_t i = 0; i < rows.count; ++i) {
    run_vectorized([&, x = row.data(), size = row.size()](auto) {
      rows.copy_x(i, x);
      Bits nonzeros = 0, not_skippable = 0, quads = 0;
      for (std::size_t j = 0; j < size; ++j) {
        const Bits bits = std::bit_cast<Bits>(x[j]), magnitude = bits & ~sign;
        nonzeros += magnitude != 0 ? 1 : 0;
        not_skippable += (bits != 0) & (magnitude < least) ? 1 : 0;
      }
      for (std::size_t j = 0; j < size; j += quad_columns) {
        Bits some = 0;
        for (std::size_t k = 0; k < quad_columns; ++k) some |= std::bit_cast<Bits>(x[j + k]) & ~sign;
        quads += some != 0 ? 1 : 0;
      }
      counts.nonzeros += static_cast<std::int64_t>(nonzeros);
      counts.not_skippable += static_cast<std::int64_t>(not_skippable);
      counts.quads += quads;
    });
  }
  return counts;
}

}  // namespace

template <class T>
bool index_nonzeros(const Communicator& world, std::size_t all_rows, Rows<T>& rows, std::size_t most_bytes) {
  if (rows.features > NonZeroIndex::most_columns || all_rows == 0) return true;
  const ElementCounts mine = count_elements(rows);
  const double all_elements = static_cast<double>(all_rows) * static_cast<double>(rows.features);
  const auto all_nonzeros = static_cast<double>(world.all_reduce_sum(mine.nonzeros));
  if (world.all_reduce_sum(mine.not_skippable) > 0 || all_nonzeros > sparse_share * all_elements) return true;
  const std::size_t value_bytes = rows.x_u8.empty() ? sizeof(T) : sizeof(std::uint8_t);
  const std::size_t bytes = NonZeroIndex::bytes(rows.count, mine.quads, value_bytes);
  const std::size_t bytes_of_node = world.node_sum(bytes);
  const bool fits = bytes <= most_bytes && memory_is_available(bytes_of_node);
  if (world.all_reduce_min(fits ? 1 : 0) == 0) return false;

  rows.nonzeros.reserve(rows.count, mine.quads, value_bytes);
  const auto append_rows = [&](const auto& x) {
    for (std::size_t i = 0; i < rows.count && !x.empty(); ++i) {
      rows.nonzeros.append(std::span(x).subspan(i * rows.features, rows.features));
    }
  };
  append_rows(rows.x_u8);
  append_rows(rows.x_real);
  return true;
}

template <class T>
RowsView<T> neighbouring_rows(const RowsView<T>& rows, Range some) {
  const auto part = [&](const auto& array, std::size_t columns) {
    return array.empty() ? array : array.subspan(some.begin * columns, some.size() * columns);
  };
  RowsView<T> result = rows;
  result.count = some.size();
  result.x_u8 = part(rows.x_u8, rows.features);
  result.x_real = part(rows.x_real, rows.features);
  result.classes = part(rows.classes, 1);
  result.values = part(rows.values, rows.value_columns);
  if (!rows.nonzeros.empty())
    result.nonzeros.starts = rows.nonzeros.starts.subspan(some.begin, some.size() + 1);
  return result;
}

SharedDataset::SharedDataset(const Communicator& world, DatasetInfo info, bool float32, bool float64,
                             ProgressBoard* board)
    : info_(std::move(info)) {
  const Communicator node = world.split(world.node());
  const Communicator alone = world.split(world.rank());
  std::size_t bytes = 0;
  for (const Split split : {Split::train, Split::test}) {
    if (float32) bytes += split_bytes(info_, split, sizeof(float));
    if (float64) bytes += split_bytes(info_, split, sizeof(double));
  }
  fallback_ = why_not_shared(node, bytes);
  // The ranks that share fail together; so do all.
  collectively(world, [&] {
    if (fallback_.empty() && !load_all(node, float32, float64, board)) {
      fallback_ = "there was no room left for " + format_bytes(bytes) + " of shared memory";
    }
  });
  // Then the ranks of the node need a copy each, at the same time.
  const std::size_t copies = fallback_.empty() ? 0 : 1;
  for (const Split split : {Split::train, Split::test}) {
    if (float32) check_rows_fit<float>(world, info_, split, copies * info_.rows(split));
    if (float64) check_rows_fit<double>(world, info_, split, copies * info_.rows(split));
  }
  collectively(world, [&] {
    if (!fallback_.empty()) load_all(alone, float32, float64, board);
  });
}

bool SharedDataset::load_all(const Communicator& sharers, bool float32, bool float64, ProgressBoard* board) {
  const bool loaded = (!float32 || load<float>(sharers, board, float32_)) &&
                      (!float64 || load<double>(sharers, board, float64_));
  if (!loaded) float32_.reset();
  return loaded;
}

template <class T>
bool SharedDataset::load(const Communicator& sharers, ProgressBoard* board,
                         std::optional<AllRows<T>>& rows) const {
  std::optional<SplitRows<T>> train = load_split<T>(sharers, Split::train, board);
  if (!train) return false;
  const bool has_test = info_.test_rows > 0;
  std::optional<SplitRows<T>> test = has_test ? load_split<T>(sharers, Split::test, board) : std::nullopt;
  if (has_test && !test) return false;
  rows.emplace(AllRows<T>{std::move(train), std::move(test)});
  return true;
}

template <class T>
std::optional<SharedDataset::SplitRows<T>> SharedDataset::load_split(const Communicator& sharers, Split split,
                                                                     ProgressBoard* board) const {
  const std::size_t rows = info_.rows(split);
  const Range part = block_partition(rows, static_cast<std::size_t>(sharers.size()),
                                     static_cast<std::size_t>(sharers.rank()));
  Rows<T> mine = read_rows<T>(sharers, info_, split, part.empty() ? RowRuns{} : RowRuns{part}, board);
  if (split == Split::train) index_nonzeros(sharers, rows, mine);

  const bool bytes = info_.x_type == "uint8";
  const bool classes = info_.task == Task::classification;
  Placement placement;
  const std::size_t x_start = bytes ? placement.place<std::uint8_t>(rows * info_.features)
                                    : placement.place<T>(rows * info_.features);
  const std::size_t y_start =
      classes ? placement.place<std::int32_t>(rows) : placement.place<T>(rows * mine.value_columns);
  std::optional<SharedMemory> numbers = take_shared_memory(sharers, placement.bytes());
  if (!numbers) return std::nullopt;
  RowsView<T> view;
  view.count = rows;
  view.features = info_.features;
  view.x_scale = info_.x_scale;
  view.value_columns = mine.value_columns;
  view.x_u8 = share_array(*numbers, x_start, mine.x_u8, part.begin, rows, bytes ? info_.features : 0);
  view.x_real = share_array(*numbers, x_start, mine.x_real, part.begin, rows, bytes ? 0 : info_.features);
  view.classes = share_array(*numbers, y_start, mine.classes, part.begin, rows, classes ? 1 : 0);
  view.values = share_array(*numbers, y_start, mine.values, part.begin, rows, mine.value_columns);
  std::optional<SharedIndex> index =
      share_index(sharers, mine.nonzeros.view(), part, rows, bytes ? sizeof(std::uint8_t) : sizeof(T));
  if (index) view.nonzeros = index->view;
  publish(sharers);
  return SplitRows<T>{*std::move(numbers), std::move(index), view};
}

template <class T>
const RowsView<T>& SharedDataset::rows(Split split) const {
  const AllRows<T>* all = nullptr;
  if constexpr (sizeof(T) == sizeof(float)) {
    all = &float32_.value();
  } else {
    all = &float64_.value();
  }
  return split == Split::train ? all->train.value().view : all->test.value().view;
}

template const RowsView<float>& SharedDataset::rows<float>(Split) const;
template const RowsView<double>& SharedDataset::rows<double>(Split) const;
template RowsView<float> neighbouring_rows(const RowsView<float>&, Range);
template RowsView<double> neighbouring_rows(const RowsView<double>&, Range);
template bool index_nonzeros(const Communicator&, std::size_t, Rows<float>&, std::size_t);
template bool index_nonzeros(const Communicator&, std::size_t, Rows<double>&, std::size_t);

}  // namespace lockstep
