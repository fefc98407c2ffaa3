#pragma once

namespace lockstep {

/// f(x) and f'(x)
template <class T>
struct ValueAndSlope {
  T value;
  T slope;
};

}  // namespace lockstep
