// Vectors of the instruction set that this file is compiled for, and words of bits.
#pragma once

#include "kernels.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace respike {
namespace {

template <class Real>
struct Lanes;
template <>
struct Lanes<float> {
    typedef float vec __attribute__((vector_size(RESPIKE_VECTOR), aligned(4), may_alias));
    typedef int32_t mask __attribute__((vector_size(RESPIKE_VECTOR), aligned(4), may_alias));
    typedef int32_t integer;
};
template <>
struct Lanes<double> {
    typedef double vec __attribute__((vector_size(RESPIKE_VECTOR), aligned(8), may_alias));
    typedef int64_t mask __attribute__((vector_size(RESPIKE_VECTOR), aligned(8), may_alias));
    typedef int64_t integer;
};

template <class Real>
constexpr int lanes = RESPIKE_VECTOR / sizeof(Real);
template <class Real>
constexpr int chunk = 8 * sizeof(Real);  // as many steps as a lane has bits
template <class Real>
int chunks(const Job& job) {
    return (job.steps + chunk<Real> - 1) / chunk<Real>;
}

typedef uint64_t Words __attribute__((vector_size(RESPIKE_VECTOR), aligned(8), may_alias));

static_assert(sizeof(Lanes<float>::integer) == sizeof(float) && sizeof(Lanes<double>::integer) == sizeof(double));
static_assert(PADDING % lanes<float> == 0 && PADDING % lanes<double> == 0);

int first(uint64_t word) { return __builtin_ctzll(word); }

// Where `where` is set, a + b or a - b, else a: one instruction where there are masked ones.
template <class Vec, class Mask>
inline Vec plus(Vec a, Vec b, Mask where) {
    return RESPIKE_VECTOR == 64 ? (where ? a + b : a) : a + (Vec)((Mask)b & where);
}
template <class Vec, class Mask>
inline Vec minus(Vec a, Vec b, Mask where) {
    return RESPIKE_VECTOR == 64 ? (where ? a - b : a) : a - (Vec)((Mask)b & where);
}

// Bit l is set where lane l of a mask is.
template <class Real>
inline uint64_t bits_of(typename Lanes<Real>::mask mask) {
    constexpr bool single = sizeof(Real) == sizeof(float);
#if defined(__AVX512DQ__)
    return single ? _mm512_movepi32_mask((__m512i)mask) : _mm512_movepi64_mask((__m512i)mask);
#elif defined(__AVX2__)
    return uint32_t(single ? _mm256_movemask_ps((__m256)mask) : _mm256_movemask_pd((__m256d)mask));
#elif defined(__SSE2__)
    return uint32_t(single ? _mm_movemask_ps((__m128)mask) : _mm_movemask_pd((__m128d)mask));
#else
    uint64_t bits = 0;
    for (int l = 0; l < lanes<Real>; ++l) bits |= uint64_t(mask[l] & 1) << l;
    return bits;
#endif
}

// Takes `less` off where `v` is at the bound or above it; says where, as bits.
template <class Real>
inline uint64_t take_off(typename Lanes<Real>::vec& v, typename Lanes<Real>::vec bound, typename Lanes<Real>::vec less) {
#if defined(__AVX512DQ__)
    if constexpr (sizeof(Real) == sizeof(float)) {
        const __mmask16 over = _mm512_cmp_ps_mask((__m512)v, (__m512)bound, _CMP_GE_OQ);
        v = (typename Lanes<Real>::vec)_mm512_mask_sub_ps((__m512)v, over, (__m512)v, (__m512)less);
        return over;
    } else {
        const __mmask8 over = _mm512_cmp_pd_mask((__m512d)v, (__m512d)bound, _CMP_GE_OQ);
        v = (typename Lanes<Real>::vec)_mm512_mask_sub_pd((__m512d)v, over, (__m512d)v, (__m512d)less);
        return over;
    }
#else
    const typename Lanes<Real>::mask over = v >= bound;
    v = minus(v, less, over);
    return bits_of<Real>(over);
#endif
}

}  // namespace
}  // namespace respike
