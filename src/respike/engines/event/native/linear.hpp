// A matrix on a few dense images, of which much may be 0: the background of a picture.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

// out[image][to] = sum over `from` of x[image][from] * columns[from][to], plus the bias, which may be null. A column is read once,
// for all images that are not 0 there, and not at all where there are none.
template <class Real>
void linear(const Real* x, int64_t images, int64_t inputs, const Real* columns, const Real* bias, int64_t outputs, Real* out) {
    using vec = typename Lanes<Real>::vec;
    constexpr int L = lanes<Real>;
    for (int64_t n = 0; n < images * outputs; ++n) out[n] = Real(0);
    for (int64_t from = 0; from < inputs; ++from)
        for (int64_t image = 0; image < images; ++image) {
            const Real amount = x[image * inputs + from];
            if (amount == Real(0)) continue;
            const Real* column = columns + from * outputs;
            Real* to = out + image * outputs;
            int64_t n = 0;
            for (; n + L <= outputs; n += L) *(vec*)(to + n) += *(const vec*)(column + n) * amount;
            for (; n < outputs; ++n) to[n] += column[n] * amount;
        }
    if (!bias) return;
    for (int64_t image = 0; image < images; ++image)
        for (int64_t n = 0; n < outputs; ++n) out[image * outputs + n] += bias[n];
}

}  // namespace
}  // namespace respike
