#pragma once

// Made by random_values.py with NumPy 2.4.6; do not edit.

#include <cstddef>
#include <cstdint>

namespace lockstep::testing {

inline constexpr std::size_t numpy_positions[] = {0, 1, 2, 3, 4, 311, 312, 623, 624, 1999};

/// What is drawn at numpy_positions after np.random.seed(seed).
struct NumpyValues {
  std::uint32_t seed;
  double values[10];
};

// clang-format off
inline constexpr NumpyValues numpy_uniforms[] = {
    {0U, {0x1.18fe1565f12a8p-1, 0x1.6e2d4cf608733p-1, 0x1.349d66b6e894bp-1, 0x1.16faedb6395f5p-1, 0x1.b1d2904fd0ef6p-2, 0x1.2cf25ce2031ccp-3, 0x1.45b8f280519f0p-4, 0x1.a0489891118fcp-1, 0x1.f3d3d9a419a16p-1, 0x1.00e86864bc501p-1}},
    {1U, {0x1.ab07d0ffa3c06p-2, 0x1.70ce5f3baf051p-1, 0x1.dfb906661c000p-14, 0x1.3596ab7fe08f4p-2, 0x1.2c8e5a3c7053cp-3, 0x1.d1bbbf5de4b9cp-1, 0x1.074a049bfdcd2p-2, 0x1.49acb09cb5fc4p-1, 0x1.823463b9ce89dp-1, 0x1.e4b9915854642p-1}},
    {3U, {0x1.1a022ec486c1ap-1, 0x1.6a9259f5c1b9ap-1, 0x1.29e2ee8f87b1ep-2, 0x1.058b32246f98cp-1, 0x1.c93057dbf8d2ap-1, 0x1.6e924cd32a2a0p-4, 0x1.ba4aa17bbdd0cp-2, 0x1.63bbeb4eb6756p-1, 0x1.d3f35f8bd7ee0p-2, 0x1.99761db7106cdp-1}},
    {42U, {0x1.7f8771e5f51ecp-2, 0x1.e6c4068bbd654p-1, 0x1.76c7e8f1e6751p-1, 0x1.32835d6632cb0p-1, 0x1.3f86b37222184p-3, 0x1.415b7a8070ca8p-4, 0x1.9f58b97983ee0p-6, 0x1.f026cb1e39110p-2, 0x1.3c8be3b0a31c0p-1, 0x1.20f5a604a512ap-2}},
    {4294967295U, {0x1.8fe69a3924820p-4, 0x1.d323d824032b1p-1, 0x1.93fc6f61af3f9p-1, 0x1.8f5ca1b151c07p-1, 0x1.25ec7244bbf80p-6, 0x1.2369739e9c078p-2, 0x1.cc39c1c9cc10cp-1, 0x1.4b503fd156088p-3, 0x1.1e2bf4ed4fa5bp-1, 0x1.6f8e202307648p-3}},
};

inline constexpr NumpyValues numpy_normals[] = {
    {0U, {0x1.c398ef3e5cfa5p+0, 0x1.99c2cfacc8953p-2, 0x1.f51d25222c9abp-1, 0x1.1ed5969e3314ep+1, 0x1.de1847cb13ddap+0, 0x1.13e704a022765p+0, -0x1.2077a7fce6228p+0, -0x1.3580f40e1e0b9p-2, -0x1.802690d4fee28p-2, -0x1.4f9bc11311ec5p+0}},
    {1U, {0x1.9fd5190657c50p+0, -0x1.393822fb7d9adp-1, -0x1.0e6c872548fd2p-1, -0x1.12ae1255cb80cp+0, 0x1.bb16b5735117dp-1, 0x1.3897ec4994374p-2, 0x1.63870be8c4d83p+0, -0x1.44f74b3207ce8p-5, 0x1.c58af58905f5fp-1, 0x1.6307008b3b891p+0}},
    {3U, {0x1.c9e38e3e13df2p+0, 0x1.befc703152c8ap-2, 0x1.8b40edd841de6p-4, -0x1.dd0ddb9948fd7p+0, -0x1.1c0ba72861dcdp-2, 0x1.cfe9233833843p-2, -0x1.b60862828fe1cp-1, 0x1.c2764c3a8061ap-7, 0x1.1a9b574faa8b2p-1, 0x1.b7f8f487d4b2ep-3}},
    {42U, {0x1.fca2a28a9307cp-2, -0x1.1b2a505de052ap-3, 0x1.4b9dd50245e68p-1, 0x1.85e548e01aa2bp+0, -0x1.df8bcdf57a640p-3, 0x1.19497094e3064p+0, 0x1.a69cf8c0f980dp-1, 0x1.586d72b99e521p+0, 0x1.97db1429d73cep+0, -0x1.7d63e1244b92ap-1}},
    {4294967295U, {0x1.4bfc38c486d8ap-1, 0x1.56b192e507eeep-1, -0x1.149e836f192fdp+0, 0x1.23543dec5a0fcp-2, 0x1.d27bf27c6aaafp-4, 0x1.15aadac1e5a0dp-2, -0x1.2895a0220368bp-2, -0x1.24234aafb6ba0p+0, 0x1.64314a6a1dd19p-1, 0x1.71f1e9b4b4f9ap+0}},
};

// clang-format on

}  // namespace lockstep::testing
