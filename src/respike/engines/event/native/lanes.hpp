// Vectors of the instruction set that this file is compiled for, and words of bits.
#pragma once

#include "kernels.hpp"

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

}  // namespace
}  // namespace respike
