// Few-spikes neurons: all steps of their window, in registers.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

// What the steps compare with, take off and deliver, for `lanes` neurons.
template <class Real>
struct Coefficients {
    typename Lanes<Real>::vec bounds[MOST_WINDOW], resets[MOST_WINDOW], values[MOST_WINDOW];

    void set(const Few& f, typename Lanes<Real>::vec theta) {
        for (int t = 0; t < f.steps; ++t) {
            bounds[t] = theta * Real(f.thresholds[t]);
            resets[t] = theta * Real(f.resets[t]);
            values[t] = typename Lanes<Real>::vec{} + Real(f.values[t]);
        }
    }
};

// The steps of V vectors of neurons; `bits` says which have fired, step t in bit t.
template <class Real, bool ABOVE, int V>
inline void few(const Coefficients<Real>& c, int steps, typename Lanes<Real>::vec* v, typename Lanes<Real>::vec* delivered,
                typename Lanes<Real>::mask* bits) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    for (int i = 0; i < V; ++i) delivered[i] = vec{}, bits[i] = mask{};
    for (int t = 0; t < steps; ++t) {
        const mask bit = mask{} + (typename Lanes<Real>::integer(1) << t);
        for (int i = 0; i < V; ++i) {
            const mask fired = ABOVE ? v[i] > c.bounds[t] : v[i] >= c.bounds[t];
            v[i] -= (vec)((mask)c.resets[t] & fired);
            delivered[i] += (vec)((mask)c.values[t] & fired);
            bits[i] |= fired & bit;
        }
    }
}

template <class Real, bool ABOVE>
void few(const Few& f, int64_t image) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    typedef uint64_t wide __attribute__((vector_size(8 * lanes<Real>), aligned(8), may_alias));
    constexpr int L = lanes<Real>, V = 4;
    Coefficients<Real> c;
    vec v[V], out[V];
    mask bits[V];
    for (int64_t g = 0; g < f.groups; ++g) {
        const int64_t size = f.neurons / f.groups, start = image * f.neurons + g * size;
        const Real* current = (const Real*)f.current + start;
        Real* delivered = (Real*)f.delivered + start;
        Real* potential = f.potential ? (Real*)f.potential + start : nullptr;
        uint64_t* words = f.words ? f.words + start : nullptr;
        const vec offset = vec{} + ((const Real*)f.offset)[g], value = vec{} + ((const Real*)f.value)[g];
        c.set(f, vec{} + ((const Real*)f.threshold)[g]);
        int64_t n = 0;
        for (; n + V * L <= size; n += V * L) {
            for (int i = 0; i < V; ++i) v[i] = ((const vec*)(current + n))[i] + offset;
            few<Real, ABOVE, V>(c, f.steps, v, out, bits);
            for (int i = 0; i < V; ++i) {
                ((vec*)(delivered + n))[i] = out[i] * value;
                if (potential) ((vec*)(potential + n))[i] = v[i];
                if (words) ((wide*)(words + n))[i] = __builtin_convertvector(bits[i], wide);
            }
        }
        for (; n < size; n += L) {
            const int count = size - n < L ? int(size - n) : L;
            v[0] = offset;
            for (int i = 0; i < count; ++i) v[0][i] += current[n + i];
            few<Real, ABOVE, 1>(c, f.steps, v, out, bits);
            out[0] *= value;
            for (int i = 0; i < count; ++i) {
                delivered[n + i] = out[0][i];
                if (potential) potential[n + i] = v[0][i];
                if (words) words[n + i] = uint64_t(bits[0][i]);
            }
        }
    }
}

template <class Real>
void few(const Few& f, int64_t image) {
    f.above ? few<Real, true>(f, image) : few<Real, false>(f, image);
}

}  // namespace
}  // namespace respike
