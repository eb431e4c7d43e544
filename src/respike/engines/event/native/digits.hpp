// Few-spikes neurons with spikes of both signs: all steps of their window, in registers.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

// A population of an image. Its vectors of neurons have numbers of one channel each, or all of one; where many lie
// [outer][channel][inner], these are worked out once, into scratch memory, and neurons are taken as they lie.
template <class Real, bool FLOOR, bool BITS, bool COUNTS>
struct Window {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    using integer = typename Lanes<Real>::integer;
    typedef uint64_t wide __attribute__((vector_size(8 * lanes<Real>), aligned(8), may_alias));
    static constexpr int L = lanes<Real>, V = 4;

    const Digits& d;
    const Real* current;
    Real *delivered, *potential;
    uint64_t *up_words, *down_words;
    int64_t* spikes;
    double* targets;
    vec worth[MOST_WINDOW];
    mask fired[MOST_WINDOW] = {};  // how often, each lane
    vec own[2 + 3 * MOST_WINDOW];
    // Offset, value, and for each step what neurons compare with (up, down) and take off; those of the next vector so far on.
    const vec* numbers = own;
    int64_t apart = 0;

    Window(const Digits& d, int64_t image, int64_t* spikes, double* targets) : d(d), spikes(spikes), targets(targets) {
        for (int t = 0; t < d.steps; ++t) worth[t] = vec{} + Real(d.worth[t]);
        const int64_t neurons = d.outer * d.channels * d.inner;
        current = (const Real*)d.current + image * neurons;
        delivered = (Real*)d.delivered + image * neurons;
        potential = d.potential ? (Real*)d.potential + image * neurons : nullptr;
        up_words = d.words ? d.words + image * neurons : nullptr;
        down_words = d.words ? d.words + (d.images + image) * neurons : nullptr;
    }

    // The numbers of `count` channels from c on, or of one channel. Products are rounded as `threshold * number` is.
    void set(int64_t c, int count, vec* to) {
        vec offset, theta, value;
        for (int i = 0; i < L; ++i) {
            const int64_t from = c + (i < count ? i : 0);
            offset[i] = ((const Real*)d.offset)[from];
            theta[i] = ((const Real*)d.threshold)[from];
            value[i] = ((const Real*)d.value)[from];
        }
        *to++ = offset, *to++ = value;
        for (int t = 0; t < d.steps; ++t) {
            *to++ = theta * Real(d.up[t]);
            *to++ = -theta * Real(d.down[t]);
            *to++ = theta * Real(d.worth[t]);
        }
    }

    template <int N>
    void steps(vec* v, vec* out, mask* ups, mask* downs, mask inside) {
        for (int i = 0; i < N; ++i) {
            out[i] = vec{};
            if (BITS) ups[i] = downs[i] = mask{};
        }
        for (int t = 0; t < d.steps; ++t) {
            const mask bit = mask{} + (integer(1) << t);
            mask sent{};
            for (int i = 0; i < N; ++i) {
                const vec* each = numbers + i * apart + 2 + 3 * t;
                const vec up = each[0], down = each[1], taken = each[2];
                const mask above = v[i] >= up;
                mask below = v[i] < down;
                if (FLOOR) below &= out[i] > Real(0);
                v[i] -= (vec)((mask)taken & above);
                v[i] += (vec)((mask)taken & below);
                out[i] += (vec)((mask)worth[t] & above);
                out[i] -= (vec)((mask)worth[t] & below);
                if (COUNTS) sent -= above | below;
                if (BITS) ups[i] |= above & bit, downs[i] |= below & bit;
            }
            if (COUNTS) fired[t] += sent & inside;
        }
    }

    // Spikes one by one, whose neurons have different numbers of targets.
    void tally(int64_t n, int count, const mask& ups, const mask& downs) {
        for (int i = 0; i < count; ++i)
            for (uint64_t bits = uint64_t(uint32_t(ups[i] | downs[i])); bits; bits &= bits - 1) {
                const int t = first(bits);
                ++spikes[t];
                targets[t] += d.fan_out[n + i];
            }
    }

    template <int N>
    void whole(int64_t n, int64_t stride) {
        vec v[N], out[N];
        mask ups[N], downs[N];
        for (int i = 0; i < N; ++i) v[i] = *(const vec*)(current + n + i * stride) + numbers[i * apart];
        steps<N>(v, out, ups, downs, mask{} - 1);
        for (int i = 0; i < N; ++i, n += stride) {
            *(vec*)(delivered + n) = out[i] * numbers[i * apart + 1];
            if (potential) *(vec*)(potential + n) = v[i];
            if (BITS && up_words) {
                *(wide*)(up_words + n) = __builtin_convertvector(ups[i], wide);
                *(wide*)(down_words + n) = __builtin_convertvector(downs[i], wide);
            }
            if (BITS && targets) tally(n, L, ups[i], downs[i]);
        }
    }

    void part(int64_t n, int count) {
        vec v{}, out;
        mask ups, downs, inside{};
        for (int i = 0; i < count; ++i) v[i] = current[n + i], inside[i] = -1;
        v += numbers[0];
        steps<1>(&v, &out, &ups, &downs, inside);
        out *= numbers[1];
        for (int i = 0; i < count; ++i) {
            delivered[n + i] = out[i];
            if (potential) potential[n + i] = v[i];
            if (BITS && up_words) up_words[n + i] = uint64_t(ups[i]), down_words[n + i] = uint64_t(downs[i]);
        }
        if (BITS && targets) tally(n, count, ups, downs);
    }

    // As many vectors, of so many neurons each, one every `stride` neurons.
    void run(int64_t n, int64_t stride, int64_t vectors, int count) {
        int64_t i = 0;
        if (count == L) {
            for (; i + V <= vectors; i += V) whole<V>(n + i * stride, stride);
            for (; i < vectors; ++i) whole<1>(n + i * stride, stride);
        }
        for (; i < vectors; ++i) part(n + i * stride, count);
    }

    // Neurons as they lie, if their numbers are known in advance.
    void in_order(vec* known) {
        const int64_t period = d.channels * d.inner, vectors = period / L, size = 2 + 3 * d.steps;
        for (int64_t p = 0; p < vectors; ++p)
            set(p * L / d.inner, d.inner == 1 ? L : 1, known + p * size);
        apart = size;
        for (int64_t o = 0; o < d.outer; ++o) {
            int64_t p = 0;
            for (; p + V <= vectors; p += V) numbers = known + p * size, whole<V>(o * period + p * L, L);
            for (; p < vectors; ++p) numbers = known + p * size, whole<1>(o * period + p * L, L);
        }
    }

    void by_channel() {
        const int64_t period = d.channels * d.inner, step = d.inner == 1 ? L : 1;
        for (int64_t c = 0; c < d.channels; c += step) {
            const int64_t each = d.inner > 1 ? d.inner : d.channels - c < L ? d.channels - c : L;
            set(c, d.inner == 1 ? int(each) : 1, own);
            if (d.outer == 1) {
                run(c * d.inner, L, each / L, L);
                if (each % L) run(c * d.inner + each / L * L, L, 1, int(each % L));
            } else {
                for (int64_t i = 0; i < each; i += L)
                    run(c * d.inner + i, period, d.outer, each - i < L ? int(each - i) : L);
            }
        }
    }

    void run(vec* known) {
        const bool cut = (d.inner == 1 ? d.channels : d.inner) % L;
        if (d.outer > 1 && !cut && d.channels * d.inner / L <= MOST_KNOWN)
            in_order(known);
        else
            by_channel();
        if (COUNTS)
            for (int t = 0; t < d.steps; ++t)
                for (int i = 0; i < L; ++i) spikes[t] += fired[t][i];
    }
};

template <class Real, bool FLOOR>
void digits(const Digits& d, int64_t image, int64_t* spikes, double* targets, Line* scratch) {
    typename Lanes<Real>::vec* known = (typename Lanes<Real>::vec*)scratch;
    if (d.words || targets)
        Window<Real, FLOOR, true, false>(d, image, spikes, targets).run(known);
    else if (spikes)
        Window<Real, FLOOR, false, true>(d, image, spikes, targets).run(known);
    else
        Window<Real, FLOOR, false, false>(d, image, spikes, targets).run(known);
}

template <class Real>
void digits(const Digits& d, int64_t image, int64_t* spikes, double* targets, Line* scratch) {
    d.floor ? digits<Real, true>(d, image, spikes, targets, scratch) : digits<Real, false>(d, image, spikes, targets, scratch);
}

}  // namespace
}  // namespace respike
