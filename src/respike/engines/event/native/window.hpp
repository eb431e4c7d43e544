// Few-spikes neurons: all steps of their window, in registers, and what is counted of them on the way.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

enum class Kept { nothing, words, spikes, targets };

// A population of an image.
template <class Real, Sends SENDS, Kept KEPT>
struct Window {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    using integer = typename Lanes<Real>::integer;
    typedef uint64_t wide __attribute__((vector_size(8 * lanes<Real>), aligned(8), may_alias));
    typedef int32_t narrow __attribute__((vector_size(4 * lanes<Real>), aligned(4), may_alias));
    static constexpr bool BOTH = SENDS == Sends::both || SENDS == Sends::both_floor;
    static constexpr bool COUNTS = KEPT == Kept::spikes || KEPT == Kept::targets;
    static constexpr int L = lanes<Real>, V = KEPT == Kept::targets && RESPIKE_VECTOR < 64 ? 2 : 4;  // as registers allow

    const Few& f;
    const Real *current, *offset, *threshold, *value;
    Real *delivered, *potential;
    uint64_t *up_words, *down_words;
    int64_t *spikes, *targets;
    Real up[MOST_WINDOW], down[MOST_WINDOW], taken[MOST_WINDOW];
    vec worth[MOST_WINDOW];
    mask fired[MOST_WINDOW] = {}, reached[MOST_WINDOW] = {};  // how often and how many, each lane
    int64_t room;                                             // vectors of neurons until a lane of `reached` may be full

    Window(const Few& f, int64_t image, int64_t* spikes, int64_t* targets)
        : f(f), offset((const Real*)f.offset), threshold((const Real*)f.threshold), value((const Real*)f.value), spikes(spikes),
          targets(targets), room(most()) {
        const int64_t neurons = f.outer * f.channels * f.inner;
        current = (const Real*)f.current + image * neurons;
        delivered = (Real*)f.delivered + image * neurons;
        potential = f.potential ? (Real*)f.potential + image * neurons : nullptr;
        up_words = f.words ? f.words + image * neurons : nullptr;
        down_words = f.words ? f.words + (f.images + image) * neurons : nullptr;
        for (int t = 0; t < f.steps; ++t) {
            up[t] = Real(f.up[t]), taken[t] = Real(f.taken[t]), worth[t] = vec{} + Real(f.worth[t]);
            down[t] = BOTH ? Real(f.down[t]) : Real(0);
        }
    }

    int64_t most() const { return INT32_MAX / (f.most_targets > 1 ? f.most_targets : 1); }

    // The steps of N vectors of neurons from n on; `theta` is that of each, or of all (SAME). `inside` says which neurons
    // there are.
    template <int N, bool SAME>
    void steps(vec* v, vec* out, const vec* theta, const mask* fan, mask inside, mask* ups, mask* downs) {
        for (int i = 0; i < N; ++i) out[i] = vec{}, ups[i] = downs[i] = mask{};
        for (int t = 0; t < f.steps; ++t) {
            const mask bit = mask{} + (integer(1) << t), one = mask{} + 1;
            vec high = theta[0] * up[t], low = BOTH ? -theta[0] * down[t] : vec{}, less = theta[0] * taken[t];
            mask sent{}, reach{};
            for (int i = 0; i < N; ++i) {
                if (!SAME && i) {
                    high = theta[i] * up[t], less = theta[i] * taken[t];
                    if (BOTH) low = -theta[i] * down[t];
                }
                const mask above = SENDS == Sends::above ? v[i] > high : v[i] >= high;
                mask below = BOTH ? v[i] < low : mask{};
                if (SENDS == Sends::both_floor) below &= out[i] > Real(0);
                v[i] = minus(v[i], less, above);
                out[i] = plus(out[i], worth[t], above);
                if (BOTH) {
                    v[i] = plus(v[i], less, below);
                    out[i] = minus(out[i], worth[t], below);
                }
                if (COUNTS) {
                    const mask any = (BOTH ? above | below : above) & inside;
                    sent = plus(sent, one, any);
                    if (KEPT == Kept::targets) reach = plus(reach, fan[i], any);
                }
                if (KEPT == Kept::words) {
                    ups[i] = plus(ups[i], bit, above);
                    if (BOTH) downs[i] = plus(downs[i], bit, below);
                }
            }
            if (COUNTS) fired[t] += sent;
            if (KEPT == Kept::targets) reached[t] += reach;
        }
    }

    // N whole vectors; `c` is the channel of the first neuron, or (SAME) of all.
    template <int N, bool SAME>
    void whole(int64_t n, int64_t c) {
        vec v[N], out[N], theta[N], own[N];
        mask ups[N], downs[N], fan[N];
        for (int i = 0; i < N; ++i) {
            theta[i] = SAME ? vec{} + threshold[c] : *(const vec*)(threshold + c + i * L);
            own[i] = SAME ? vec{} + value[c] : *(const vec*)(value + c + i * L);
            v[i] = *(const vec*)(current + n + i * L) + (SAME ? vec{} + offset[c] : *(const vec*)(offset + c + i * L));
            if (KEPT == Kept::targets)
                fan[i] = __builtin_convertvector(*(const narrow*)(f.fan_out + n + i * L), mask);
        }
        if (KEPT == Kept::targets) reserve(N);
        steps<N, SAME>(v, out, theta, fan, mask{} - 1, ups, downs);
        for (int i = 0; i < N; ++i, n += L) {
            *(vec*)(delivered + n) = out[i] * own[i];
            if (potential) *(vec*)(potential + n) = v[i];
            if (KEPT == Kept::words && up_words) {
                *(wide*)(up_words + n) = __builtin_convertvector(ups[i], wide);
                if (BOTH) *(wide*)(down_words + n) = __builtin_convertvector(downs[i], wide);
            }
        }
    }

    // Fewer neurons than fill a vector.
    template <bool SAME>
    void part(int64_t n, int64_t c, int count) {
        vec v{}, out, theta{}, own{};
        mask ups, downs, fan{}, inside{};
        for (int i = 0; i < count; ++i) {
            const int64_t at = SAME ? c : c + i;
            theta[i] = threshold[at], own[i] = value[at], v[i] = current[n + i] + offset[at], inside[i] = -1;
            if (KEPT == Kept::targets) fan[i] = f.fan_out[n + i];
        }
        if (KEPT == Kept::targets) reserve(1);
        steps<1, false>(&v, &out, &theta, &fan, inside, &ups, &downs);
        out *= own;
        for (int i = 0; i < count; ++i) {
            delivered[n + i] = out[i];
            if (potential) potential[n + i] = v[i];
            if (KEPT == Kept::words && up_words) {
                up_words[n + i] = uint64_t(ups[i]);
                if (BOTH) down_words[n + i] = uint64_t(downs[i]);
            }
        }
    }

    // Neighbours: from n on as many, of one channel (SAME) or of as many.
    template <bool SAME>
    void row(int64_t n, int64_t c, int64_t count) {
        int64_t i = 0;
        for (; i + V * L <= count; i += V * L) whole<V, SAME>(n + i, SAME ? c : c + i);
        for (; i + L <= count; i += L) whole<1, SAME>(n + i, SAME ? c : c + i);
        if (i < count) part<SAME>(n + i, SAME ? c : c + i, int(count - i));
    }

    void reserve(int vectors) {
        if (room < vectors) settle();
        room -= vectors;
    }

    void settle() {
        for (int t = 0; t < f.steps; ++t) {
            for (int l = 0; l < L; ++l) targets[t] += reached[t][l];
            reached[t] = mask{};
        }
        room = most();
    }

    void run() {
        for (int64_t o = 0; o < f.outer; ++o)
            if (f.inner == 1)
                row<false>(o * f.channels, 0, f.channels);
            else
                for (int64_t c = 0; c < f.channels; ++c) row<true>((o * f.channels + c) * f.inner, c, f.inner);
        if (COUNTS)
            for (int t = 0; t < f.steps; ++t)
                for (int l = 0; l < L; ++l) spikes[t] += fired[t][l];
        if (KEPT == Kept::targets) settle();
    }
};

template <class Real, Sends SENDS>
void few(const Few& f, int64_t image, int64_t* spikes, int64_t* targets) {
    if (f.words)
        Window<Real, SENDS, Kept::words>(f, image, spikes, targets).run();
    else if (targets)
        Window<Real, SENDS, Kept::targets>(f, image, spikes, targets).run();
    else if (spikes)
        Window<Real, SENDS, Kept::spikes>(f, image, spikes, targets).run();
    else
        Window<Real, SENDS, Kept::nothing>(f, image, spikes, targets).run();
}

template <class Real>
void few(const Few& f, int64_t image, int64_t* spikes, int64_t* targets) {
    switch (f.sends) {
        case Sends::at: return few<Real, Sends::at>(f, image, spikes, targets);
        case Sends::above: return few<Real, Sends::above>(f, image, spikes, targets);
        case Sends::both: return few<Real, Sends::both>(f, image, spikes, targets);
        default: return few<Real, Sends::both_floor>(f, image, spikes, targets);
    }
}

}  // namespace
}  // namespace respike
