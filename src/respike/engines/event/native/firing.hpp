// The steps of neurons: potentials, thresholds, resets, spikes.
#pragma once

#include "lanes.hpp"
#include "room.hpp"

namespace respike {
namespace {

// Steps from … until - 1 (bits of one lane) of `count` neurons. The current of step t stands at current + t · stride.
template <class Real, Dynamics KIND, int V>
void fire(const Real* current, int64_t stride, int from, int until, Real* potential, Real* total, const Real* threshold,
          Real reset, typename Lanes<Real>::integer* up, typename Lanes<Real>::integer* down) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    using integer = typename Lanes<Real>::integer;
    constexpr bool above = KIND == Dynamics::subtract_above || KIND == Dynamics::to_value_above;
    vec v[V], theta[V], sent[V];
    mask ups[V], downs[V];
    for (int i = 0; i < V; ++i) {
        v[i] = ((vec*)potential)[i];
        theta[i] = ((const vec*)threshold)[i];
        ups[i] = ((mask*)up)[i];
        if (KIND == Dynamics::tracer) {
            sent[i] = ((vec*)total)[i];
            downs[i] = ((mask*)down)[i];
        }
    }
    for (int t = from; t < until; ++t) {
        const mask bit = mask{} + (integer(1) << (t % chunk<Real>));
        for (int i = 0; i < V; ++i) {
            v[i] += ((const vec*)(current + t * stride))[i];
            const mask fired = above ? v[i] > theta[i] : v[i] >= theta[i];
            ups[i] = plus(ups[i], bit, fired);
            if (KIND == Dynamics::tracer) {
                const mask recalled = (v[i] < Real(0)) & (sent[i] > Real(0));
                downs[i] |= recalled & bit;
                const vec one = vec{} + Real(1);
                const vec net = (vec)((mask)one & fired) - (vec)((mask)one & recalled);
                v[i] -= theta[i] * net;
                sent[i] += net;
            } else if (KIND == Dynamics::subtract_at || KIND == Dynamics::subtract_above) {
                v[i] = minus(v[i], theta[i], fired);
            } else {
                const vec value = vec{} + reset;
                v[i] = (vec)(((mask)value & fired) | ((mask)v[i] & ~fired));
            }
        }
    }
    for (int i = 0; i < V; ++i) {
        ((vec*)potential)[i] = v[i];
        ((mask*)up)[i] = ups[i];
        if (KIND == Dynamics::tracer) {
            ((vec*)total)[i] = sent[i];
            ((mask*)down)[i] = downs[i];
        }
    }
}

// The same for burst neurons: s = clip(floor(v / theta), 0, most). Bit k of s stands in plane k, `plane` lanes further.
template <class Real, int V>
void burst(const Real* current, int64_t stride, int from, int until, Real* potential, const Real* threshold, Real most,
           int bits, int64_t plane, typename Lanes<Real>::integer* planes) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    using integer = typename Lanes<Real>::integer;
    vec v[V], theta[V];
    for (int i = 0; i < V; ++i) v[i] = ((vec*)potential)[i], theta[i] = ((const vec*)threshold)[i];
    for (int t = from; t < until; ++t)
        for (int i = 0; i < V; ++i) {
            v[i] += ((const vec*)(current + t * stride))[i];
            vec count = v[i] / theta[i];
            count = count > Real(0) ? count : vec{};
            count = count < most ? count : vec{} + most;
            const mask whole = __builtin_convertvector(count, mask);
            v[i] -= whole ? theta[i] * __builtin_convertvector(whole, vec) : vec{};  // a threshold may be infinite
            for (int k = 0; k < bits; ++k) ((mask*)(planes + k * plane))[i] |= (whole >> k & integer(1)) << (t % chunk<Real>);
        }
    for (int i = 0; i < V; ++i) ((vec*)potential)[i] = v[i];
}

// Some rows of an image, a block of their channels: [pixel][block], and what the neurons there are and do. A chunk of
// steps is as many chunks of bits as lanes are too narrow for it.
template <class Real>
struct Tile {
    using integer = typename Lanes<Real>::integer;
    Real *potential, *total, *threshold, *base;
    integer *up, *down;  // [bits][chunks][size], [chunks][size]
    Real* current;       // of one step, or, where the job is flat, of all
    int64_t top, height, size, pixels, first_pixel, first_channel, channels;

    Tile(Room& room, const Job& job) {
        const int64_t whole = job.tile_rows * job.columns * job.block, traced = job.dynamics == Dynamics::tracer ? whole : 0;
        potential = room.take<Real>(whole);
        total = room.take<Real>(traced);
        threshold = room.take<Real>(whole);
        base = room.take<Real>(whole);
        up = room.take<integer>(job.bits * chunks<Real>(job) * whole);
        down = room.take<integer>(chunks<Real>(job) * traced);
        current = room.take<Real>((job.flat ? job.steps : 1) * whole);
    }

    void place(const Job& job, int64_t block, int64_t number) {
        top = number * job.tile_rows;
        height = top + job.tile_rows > job.rows ? job.rows - top : job.tile_rows;
        first_channel = block * job.block;
        channels = first_channel + job.block > job.channels ? job.channels - first_channel : job.block;
        first_pixel = top * job.columns;
        pixels = height * job.columns;
        size = pixels * job.block;
    }
};

// Whether neurons stay as they are, step after step: no current, and below the threshold.
template <class Real, int V>
inline bool idle(const Real* current, const Real* potential, const Real* threshold) {
    using vec = typename Lanes<Real>::vec;
    typename Lanes<Real>::mask moved{};
    for (int i = 0; i < V; ++i) {
        const vec z = ((const vec*)current)[i], v = ((const vec*)potential)[i], theta = ((const vec*)threshold)[i];
        moved |= ~((z == Real(0)) & (v < theta));
    }
    typename Lanes<Real>::integer any = 0;
    for (int l = 0; l < lanes<Real>; ++l) any |= moved[l];
    return !any;
}

// Several steps, the state in registers.
template <class Real, Dynamics KIND>
void fire(const Tile<Real>& tile, int64_t stride, int from, int until, Real reset) {
    constexpr int wide = KIND == Dynamics::tracer ? 1 : RESPIKE_VECTOR == 64 ? 8 : 4;
    const bool steady = !stride && until - from > 1 && KIND != Dynamics::tracer;  // much of an image is often background
    while (from < until) {
        const int part = from / chunk<Real>, stop = (part + 1) * chunk<Real>;
        const int last = until < stop ? until : stop;
        typename Lanes<Real>::integer *up = tile.up + part * tile.size, *down = tile.down + part * tile.size;
        int64_t n = 0;
        for (; n + wide * lanes<Real> <= tile.size; n += wide * lanes<Real>) {
            if (steady && idle<Real, wide>(tile.current + n, tile.potential + n, tile.threshold + n)) continue;
            fire<Real, KIND, wide>(tile.current + n, stride, from, last, tile.potential + n, tile.total + n,
                                   tile.threshold + n, reset, up + n, down + n);
        }
        for (; n < tile.size; n += lanes<Real>)
            fire<Real, KIND, 1>(tile.current + n, stride, from, last, tile.potential + n, tile.total + n,
                                tile.threshold + n, reset, up + n, down + n);
        from = last;
    }
}

template <class Real>
void bursts(const Job& job, const Tile<Real>& tile, int64_t stride, int from, int until) {
    const int64_t plane = chunks<Real>(job) * tile.size;
    while (from < until) {
        const int part = from / chunk<Real>, stop = (part + 1) * chunk<Real>, last = until < stop ? until : stop;
        for (int64_t n = 0; n < tile.size; n += lanes<Real>)
            burst<Real, 1>(tile.current + n, stride, from, last, tile.potential + n, tile.threshold + n,
                           Real(job.parameter), job.bits, plane, tile.up + part * tile.size + n);
        from = last;
    }
}

template <class Real>
void fire(const Job& job, const Tile<Real>& tile, int64_t stride, int from, int until) {
    if (job.dynamics == Dynamics::burst) return bursts<Real>(job, tile, stride, from, until);
    const auto chosen = job.dynamics == Dynamics::subtract_at      ? fire<Real, Dynamics::subtract_at>
                        : job.dynamics == Dynamics::subtract_above ? fire<Real, Dynamics::subtract_above>
                        : job.dynamics == Dynamics::to_value_at    ? fire<Real, Dynamics::to_value_at>
                        : job.dynamics == Dynamics::to_value_above ? fire<Real, Dynamics::to_value_above>
                                                           : fire<Real, Dynamics::tracer>;
    chosen(tile, stride, from, until, Real(job.parameter));
}

// One step, after which the current is what it is before spikes arrive. Where SAME, threshold and base are those of
// the channel, and few enough to stay in registers.
template <class Real, Dynamics KIND, bool SAME>
void step(const Tile<Real>& tile, int64_t block, int t, Real reset, int64_t theta_pixel, int64_t base_pixel) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    constexpr int V = PADDING / lanes<Real>;
    constexpr bool above = KIND == Dynamics::subtract_above || KIND == Dynamics::to_value_above;
    const mask bit = mask{} + (typename Lanes<Real>::integer(1) << (t % chunk<Real>));
    auto* up = tile.up + t / chunk<Real> * tile.size;
    for (int64_t c = 0; c < block; c += PADDING) {
        vec theta[V], base[V];
        for (int i = 0; i < V; ++i) {
            theta[i] = ((const vec*)(tile.threshold + c))[i];
            base[i] = ((const vec*)(tile.base + c))[i];
        }
        for (int64_t p = 0, n = c; p < tile.pixels; ++p, n += block)
            for (int i = 0; i < V; ++i) {
                if (!SAME) theta[i] = ((const vec*)(tile.threshold + p * theta_pixel + c))[i];
                if (!SAME) base[i] = ((const vec*)(tile.base + p * base_pixel + c))[i];
                vec v = ((vec*)(tile.potential + n))[i] + ((vec*)(tile.current + n))[i];
                ((vec*)(tile.current + n))[i] = base[i];
                const mask fired = above ? v > theta[i] : v >= theta[i];
                ((mask*)(up + n))[i] = plus(((mask*)(up + n))[i], bit, fired);
                if (KIND == Dynamics::subtract_at || KIND == Dynamics::subtract_above) {
                    v = minus(v, theta[i], fired);
                } else {
                    const vec value = vec{} + reset;
                    v = (vec)(((mask)value & fired) | ((mask)v & ~fired));
                }
                ((vec*)(tile.potential + n))[i] = v;
            }
    }
}

template <class Real, bool SAME>
void step(const Job& job, const Tile<Real>& tile, int t) {
    const auto chosen = job.dynamics == Dynamics::subtract_at      ? step<Real, Dynamics::subtract_at, SAME>
                        : job.dynamics == Dynamics::subtract_above ? step<Real, Dynamics::subtract_above, SAME>
                        : job.dynamics == Dynamics::to_value_at    ? step<Real, Dynamics::to_value_at, SAME>
                                                           : step<Real, Dynamics::to_value_above, SAME>;
    chosen(tile, job.block, t, Real(job.parameter), job.threshold_pixel ? job.block : 0, job.rest_pixel ? job.block : 0);
}

}  // namespace
}  // namespace respike
