#pragma once

// Made by src/core/elementary_coefficients.py; do not edit. They are part of the results' definition.

namespace lockstep::elementary {

/// Polynomials, highest power first, as accurate as results of type T need them.
template <class T>
struct Coefficients;

// clang-format off
template <>
struct Coefficients<double> {
  /// (eʳ − 1 − r) / r² for |r| ≤ 0.347; off by at most 1.0e-18.
  static constexpr double expm1_tail[] = {
      0x1.1f7350a074034p-29,
      0x1.af4e70dd7207dp-26,
      0x1.27e4db3f36203p-22,
      0x1.71de01f07539bp-19,
      0x1.a01a01a6e448ep-16,
      0x1.a01a01abfc8ddp-13,
      0x1.6c16c16c162bfp-10,
      0x1.11111111100b6p-7,
      0x1.5555555555556p-5,
      0x1.5555555555557p-3,
      0x1.0000000000000p-1,
  };
  /// (2 artanh(s) / s − 2) / s² in s² ≤ 0.0295; off by at most 3.0e-16.
  static constexpr double log_tail[] = {
      0x1.2b6776a1bf0b9p-3,
      0x1.39fd25d62ab23p-3,
      0x1.7462be245eae3p-3,
      0x1.c71c62c42db89p-3,
      0x1.2492492e0b70cp-2,
      0x1.99999999951f5p-2,
      0x1.5555555555558p-1,
  };
  /// erf(x) / x − 1 in x² ≤ 1; off by at most 7.0e-18.
  static constexpr double erf_near[] = {
      -0x1.ac9585a44fe29p-31,
      0x1.d76af6ca49787p-27,
      -0x1.5c131500d3f88p-23,
      0x1.b981d78881a5dp-20,
      -0x1.f4ca838adb73bp-17,
      0x1.f9a2be4f731a1p-14,
      -0x1.c02db0665e53dp-11,
      0x1.565bccfa44156p-8,
      -0x1.b82ce31203772p-6,
      0x1.ce2f21a040f66p-4,
      -0x1.812746b0379c1p-2,
      0x1.06eba8214db68p-3,
  };
  /// e^(x²) erfc(x) in (x − 2) / (x + 2), from 1 to 6; off by at most 2.0e-18.
  static constexpr double erf_far[] = {
      -0x1.30be46f379823p-20,
      0x1.559a2f0faada6p-20,
      0x1.0d39558a33004p-18,
      0x1.5e89dbd23021dp-20,
      -0x1.d5b4578dde1bbp-17,
      -0x1.ce6ac975b91e0p-16,
      0x1.cdd4519ae1742p-16,
      0x1.6da887a2804f7p-13,
      0x1.6d5ee91b54222p-15,
      -0x1.016b5b63ce721p-10,
      -0x1.bc25a48873fcfp-11,
      0x1.ca95ed50b7c81p-8,
      0x1.e9471597be87ap-9,
      -0x1.437f0b68c0489p-4,
      0x1.eeea7dc8a78a1p-3,
      -0x1.b57034efd3f74p-2,
      0x1.058671b52c776p-2,
  };
};

template <>
struct Coefficients<float> {
  /// (eʳ − 1 − r) / r² for |r| ≤ 0.347; off by at most 7.0e-8.
  static constexpr float expm1_tail[] = {
      0x1.6d119ap-10f,
      0x1.120c00p-7f,
      0x1.555518p-5f,
      0x1.5554dcp-3f,
      0x1.000000p-1f,
  };
  /// (log(1 + f) − f + f²/2) / f³ for 1 + f in [√½, √2]; off by at most 3.0e-8.
  static constexpr float log1p_tail[] = {
      0x1.1d8ea6p-4f,
      -0x1.d635bcp-4f,
      0x1.dea282p-4f,
      -0x1.fcf4c6p-4f,
      0x1.23d21ap-3f,
      -0x1.555b4ap-3f,
      0x1.999d5ap-3f,
      -0x1.fffffcp-3f,
      0x1.555554p-2f,
  };
  /// (tanh(x) / x − 1) / x² in x² ≤ 0.625²; off by at most 4.0e-8.
  static constexpr float tanh_near[] = {
      -0x1.8f8de4p-8f,
      0x1.58048ep-6f,
      -0x1.b9258ap-5f,
      0x1.110e1cp-3f,
      -0x1.555552p-2f,
  };
  /// erf(x) / x − 1 in x² ≤ 1; off by at most 1.0e-9.
  static constexpr float erf_near[] = {
      0x1.4a5690p-14f,
      -0x1.a45088p-11f,
      0x1.541270p-8f,
      -0x1.b7fabap-6f,
      0x1.ce2d10p-4f,
      -0x1.81273ep-2f,
      0x1.06eba8p-3f,
  };
  /// log(erfc(x)) / x from 1 to 4; off by at most 9.0e-8.
  static constexpr float log_erfc[] = {
      0x1.390124p-20f,
      -0x1.32f6e4p-15f,
      0x1.0e6632p-11f,
      -0x1.1ea63ep-8f,
      0x1.9ea7f8p-6f,
      -0x1.babe96p-4f,
      -0x1.4497e8p-1f,
      -0x1.210358p+0f,
  };
  /// e^(x²/2) Φ(−x) / t in t = 1 / (1 + x / 4), x from 0 to 14.5; off by at most 2.0e-8.
  static constexpr float normal_tail[] = {
      0x1.cfafb0p-6f,
      -0x1.520222p-3f,
      0x1.486b40p-2f,
      -0x1.dd5654p-3f,
      0x1.c2819ap-3f,
      0x1.a12542p-6f,
      0x1.b0727ap-4f,
      0x1.928562p-4f,
      0x1.98d39ap-4f,
  };
};

// clang-format on

}  // namespace lockstep::elementary
