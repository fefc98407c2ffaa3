#pragma once

// Made by src/core/elementary_coefficients.py; do not edit. They are part of the results' definition.

namespace lockstep::elementary {

/// Polynomials, highest power first, as accurate as results of type T need them. All arithmetic is in double.
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
  /// e^(x²) erfc(x) in (x − 2) / (x + 2), from 1 to 6 (float: to 4); off by at most 2.0e-18.
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
  /// (eʳ − 1 − r) / r² for |r| ≤ 0.347; off by at most 1.0e-9.
  static constexpr double expm1_tail[] = {
      0x1.a1258c600f075p-13,
      0x1.6d43d29bda4f5p-10,
      0x1.1110e0ba6338cp-7,
      0x1.5554e88885680p-5,
      0x1.5555555a81e0ep-3,
      0x1.0000000ba5507p-1,
  };
  /// (2 artanh(s) / s − 2) / s² in s² ≤ 0.0295; off by at most 1.0e-9.
  static constexpr double log_tail[] = {
      0x1.dddba97136f27p-3,
      0x1.245c07223544ap-2,
      0x1.9999ebe5e8b5fp-2,
      0x1.5555554b9d547p-1,
  };
  /// erf(x) / x − 1 in x² ≤ 1; off by at most 1.0e-9.
  static constexpr double erf_near[] = {
      0x1.4a5690869d13fp-14,
      -0x1.a45087f1a200ap-11,
      0x1.541270c79ca2cp-8,
      -0x1.b7faba961c85ap-6,
      0x1.ce2d10ed44e09p-4,
      -0x1.81273e7a02443p-2,
      0x1.06eba7f673903p-3,
  };
  /// e^(x²) erfc(x) in (x − 2) / (x + 2), from 1 to 6 (float: to 4); off by at most 7.0e-9.
  static constexpr double erf_far[] = {
      -0x1.b75728d526aefp-11,
      0x1.be5ff81c8a57fp-8,
      0x1.e9359d4846097p-9,
      -0x1.43744543d7062p-4,
      0x1.eeea7ec2e6509p-3,
      -0x1.b5703e7d75cd5p-2,
      0x1.058671b52c776p-2,
  };
};

// clang-format on

}  // namespace lockstep::elementary
