// Statistics of activations: largest values, sums, and histograms with bins of equal relative width.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

// The values of one channel and sample, or of one sample where each value has its own channel (`own`). What is not
// positive is counted in bins behind the others, one for each lane, so that no two additions in a row wait for each other.
template <bool OWN>
void observe(const Observed& o, const float* values, int64_t count, float* maximum, double* sum, int64_t* histogram,
             int64_t row) {
    using vec = Lanes<float>::vec;
    using mask = Lanes<float>::mask;
    typedef double wide __attribute__((vector_size(2 * RESPIKE_VECTOR)));
    constexpr int L = lanes<float>;
    const mask magnitude = mask{} + (o.magnitude ? 0x7FFFFFFF : -1), last = mask{} + (o.bins - 1);
    mask behind;
    for (int l = 0; l < L; ++l) behind[l] = o.bins + l;
    vec most = vec{} + *maximum;
    mask nan{};
    wide total{};
    for (int64_t n = 0; n < count; n += L) {
        const int some = count - n < L ? int(count - n) : L;
        vec v{};
        if (some == L)
            v = *(const vec*)(values + n);
        else
            for (int l = 0; l < some; ++l) v[l] = values[n + l];
        v = (vec)((mask)v & magnitude);
        if (OWN) {
            for (int l = 0; l < some; ++l) {
                maximum[n + l] = !(maximum[n + l] < v[l]) && v[l] == v[l] ? maximum[n + l] : v[l];  // NaN stays
                sum[n + l] += v[l];
            }
        } else {
            most = v > most ? v : most;
            nan |= v != v;
            total += __builtin_convertvector(v, wide);
        }
        mask bin = ((mask)v >> o.shift) - o.first;
        bin = bin < 0 ? mask{} : bin;
        bin = bin > last ? last : bin;
        bin = v > 0.0f ? bin : behind;
        if (some == L)
            for (int l = 0; l < L; ++l) ++histogram[(OWN ? (n + l) * row : 0) + bin[l]];
        else
            for (int l = 0; l < some; ++l) ++histogram[(OWN ? (n + l) * row : 0) + bin[l]];
    }
    if (OWN) return;
    bool bad = false;
    for (int l = 0; l < L; ++l) {
        *maximum = most[l] > *maximum ? most[l] : *maximum;
        *sum += total[l];
        bad |= nan[l] != 0;
    }
    if (bad) *maximum = __builtin_nanf("");
}

void observe(const Observed& o) {
    const int64_t row = o.bins + MOST_LANES;
    for (int64_t a = 0; a < o.outer; ++a) {
        const float* values = o.values + a * o.channels * o.inner;
        if (o.inner == 1) {
            observe<true>(o, values, o.channels, o.maximum, o.sum, o.histogram, o.per_channel ? row : 0);
            continue;
        }
        for (int64_t c = 0; c < o.channels; ++c)
            observe<false>(o, values + c * o.inner, o.inner, o.maximum + c, o.sum + c,
                           o.histogram + (o.per_channel ? c * row : 0), 0);
    }
}

}  // namespace
}  // namespace respike
