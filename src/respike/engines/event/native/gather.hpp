// Adds up what spikes deliver through small kernels, output by output: a window of sums slides along a row in registers.
//
// The spikes of each step are a map of bits, [row][column][channel], turned from words once for a tile. `strip` rows of
// outputs are added up together. A column of inputs that any of them sees is a number of so many bits; for each bit that
// is set, one run of weights is added to all sums that its spike reaches, those of neighbouring outputs. Then the window
// moves on by one column:
//
//     bits of step t     column 0  1  2  3          sums in registers, 3x3 kernel, strip of 2
//     row y - 1                 .  *  .  .
//     row y                     .  .  *  .              row y      | x - 1 | x | x + 1 |
//     row y + 1                 *  .  .  .              row y + 1  | x - 1 | x | x + 1 |     each box: `together` channels
//     row y + 2                 .  .  .  .
#pragma once

#include "lists.hpp"
#include "room.hpp"

namespace respike {
namespace {

// What a pixel's channels are as bits.
template <int CHANNELS>
struct Bits;
template <>
struct Bits<16> {
    typedef uint16_t type __attribute__((may_alias));
};
template <>
struct Bits<32> {
    typedef uint32_t type __attribute__((may_alias));
};
template <>
struct Bits<64> {
    typedef uint64_t type __attribute__((may_alias));
};

// A map as it meets a tile of the population behind it, where its spikes are gathered.
template <class Real>
struct Gathering {
    const Source* source;
    int64_t rows, width, words;  // rows and columns that are looked at, words of a row
    uint64_t* maps;              // [plane][step][row][words]; silence around the map
    uint64_t* turning;           // [WORD]
    Real* nowhere;               // a row of sums that nobody wants

    Gathering(Room& room, const Source& s, const Job& job)
        : source(&s), rows((job.tile_rows + s.strip - 1) / s.strip * s.strip + s.kernel_y - 1),
          width(job.columns + s.kernel_x - 1 - s.padding_x), words((width * s.channels + WORD - 1) / WORD) {
        maps = room.take<uint64_t>(planes() * job.steps * rows * words);
        turning = room.take<uint64_t>(WORD);
        nowhere = room.take<Real>(job.columns * job.block);
    }

    // One, or three for all amplitudes up to 7.
    int64_t planes() const { return source->spikes.bits > 1 ? MOST_GATHERED_BITS : 1; }

    // Turns the rows that a tile from `top` on can see. Where steps are few, 128 neurons are turned at once.
    void meet(const Job& job, int64_t image, int64_t top) const {
        const Source& s = *source;
        const int64_t size = s.columns * s.channels, plane = s.spikes.images * s.spikes.neurons, next = rows * words;
        const int64_t seen = size < width * s.channels ? size : width * s.channels;
        const int halves = 2 * job.steps <= WORD ? 2 : 1;
        for (int64_t b = 0; b < planes(); ++b)
            for (int64_t y = 0; y < rows; ++y) {
                uint64_t* to = maps + b * job.steps * next + y * words;
                const int64_t row = top + y - s.padding_y;
                const bool there = row >= 0 && row < s.rows && b < s.spikes.bits;
                const uint64_t* from = s.spikes.words + b * plane + image * s.spikes.neurons + row * size;
                for (int64_t w = 0; w < words; w += halves) {
                    const int64_t first = w * WORD, count = there ? seen - first : 0;
                    const int64_t low = count < 0 ? 0 : count < WORD ? count : WORD;
                    const int64_t high = halves == 1 || count < WORD ? 0 : count < 2 * WORD ? count - WORD : WORD;
                    for (int64_t i = 0; i < low; ++i) turning[i] = from[first + i];
                    for (int64_t i = low; i < WORD; ++i) turning[i] = 0;
                    for (int64_t i = 0; i < high; ++i) turning[i] |= from[first + WORD + i] << WORD / 2;
                    if (any_of(turning)) transpose(turning);
                    const bool both = halves == 2 && w + 1 < words;
                    for (int t = 0; t < job.steps; ++t) {
                        to[t * next + w] = turning[turned(t)];
                        if (both) to[t * next + w + 1] = turning[turned(t + WORD / 2)];
                    }
                }
            }
    }
};

// One step of STRIP rows of outputs, CHANNELS of their channels. A column of inputs has INPUTS channels, and reaches TAPS
// outputs.
template <class Real, int STRIP, int TAPS, int INPUTS, int CHANNELS, bool GRADED>
void slide(const Gathering<Real>& g, const Job& job, const uint64_t* maps, const Real* weight, Real* const* rows) {
    using vec = typename Lanes<Real>::vec;
    using Pixel = typename Bits<INPUTS>::type;
    constexpr int L = lanes<Real>, V = CHANNELS / L, ROW = STRIP * TAPS * CHANNELS, SEEN = STRIP + TAPS - 1;
    constexpr int EACH = WORD / INPUTS, NUMBERS = (SEEN + EACH - 1) / EACH, PLANES_READ = GRADED ? MOST_GATHERED_BITS : 1;
    const int64_t B = job.block, before = TAPS - 1 - g.source->padding_x, width = g.width, columns = job.columns;
    const int64_t plane = job.steps * g.rows * g.words, line = g.words;
    vec sum[STRIP][TAPS][V];
    const auto add = [&](const Real* taps) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int o = 0; o < STRIP; ++o)
#pragma GCC unroll 16
            for (int k = 0; k < TAPS; ++k)
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) sum[o][k][v] += *(const vec*)(taps + (o * TAPS + k) * CHANNELS + v * L);
    };
    const auto add_several = [&](const Real* taps, Real amplitude) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int o = 0; o < STRIP; ++o)
#pragma GCC unroll 16
            for (int k = 0; k < TAPS; ++k)
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v)
                    sum[o][k][v] += *(const vec*)(taps + (o * TAPS + k) * CHANNELS + v * L) * amplitude;
    };
    // The inputs of a column, EACH rows from `first` on, as one number.
    const auto number = [&](const uint64_t* map, int first, int64_t x) __attribute__((always_inline)) {
        uint64_t bits = 0;
#pragma GCC unroll 4
        for (int r = 0; r < EACH; ++r)
            if (first + r < SEEN) bits |= uint64_t(((const Pixel*)(map + (first + r) * line))[x]) << r * INPUTS % WORD;
        return bits;
    };
    Real* out[STRIP];
#pragma GCC unroll 16
    for (int o = 0; o < STRIP; ++o) {
        out[o] = rows[o];
#pragma GCC unroll 16
        for (int k = 0; k < TAPS; ++k)
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v) {
                const int64_t x = k - before;
                sum[o][k][v] = x < 0 || x >= columns ? vec{} : *(const vec*)(out[o] + x * B + v * L);
            }
    }
    for (int64_t x = 0; x < width; ++x) {
#pragma GCC unroll 8
        for (int n = 0; n < NUMBERS; ++n) {
            const Real* from = weight + n * WORD * ROW;
            uint64_t planes[PLANES_READ], several = 0;
#pragma GCC unroll 4
            for (int b = 0; b < PLANES_READ; ++b) planes[b] = number(maps + b * plane, n * EACH, x);
#pragma GCC unroll 4
            for (int b = 1; b < PLANES_READ; ++b) several |= planes[b];
            for (uint64_t single = planes[0] & ~several; single; single &= single - 1) add(from + first(single) * ROW);
            if (GRADED)
                for (; several; several &= several - 1) {
                    const int at = first(several);
                    int amplitude = 0;
#pragma GCC unroll 4
                    for (int b = 0; b < PLANES_READ; ++b) amplitude |= int(planes[b] >> at & 1) << b;
                    add_several(from + at * ROW, Real(amplitude));
                }
        }
        const int64_t done = x - before, next = done + TAPS;
        if (done >= 0)
#pragma GCC unroll 16
            for (int o = 0; o < STRIP; ++o)
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) *(vec*)(out[o] + done * B + v * L) = sum[o][0][v];
        const bool more = next < columns;
#pragma GCC unroll 16
        for (int o = 0; o < STRIP; ++o)
#pragma GCC unroll 16
            for (int v = 0; v < V; ++v) {
#pragma GCC unroll 16
                for (int k = 0; k + 1 < TAPS; ++k) sum[o][k][v] = sum[o][k + 1][v];
                sum[o][TAPS - 1][v] = more ? *(const vec*)(out[o] + next * B + v * L) : vec{};
            }
    }
}

// One step of a tile: to[row][column][block].
template <class Real, int STRIP, int TAPS, int INPUTS, int CHANNELS, bool GRADED>
void strips(const Gathering<Real>& g, const Job& job, int64_t block, int64_t height, int t, Real* to) {
    const int64_t B = job.block, line = job.columns * B;
    constexpr int64_t weights = int64_t(STRIP + TAPS - 1) * INPUTS * STRIP * TAPS * CHANNELS;
    const Real* weight = (const Real*)g.source->window + block * (B / CHANNELS) * weights;
    for (int64_t y = 0; y < height; y += STRIP)
        for (int64_t c = 0; c < B; c += CHANNELS) {
            Real* rows[STRIP];
            for (int o = 0; o < STRIP; ++o) rows[o] = (y + o < height ? to + (y + o) * line : g.nowhere) + c;
            slide<Real, STRIP, TAPS, INPUTS, CHANNELS, GRADED>(g, job, g.maps + (t * g.rows + y) * g.words,
                                                               weight + c / CHANNELS * weights, rows);
        }
}

template <class Real, int STRIP, int TAPS, int CHANNELS, bool GRADED>
void strips(const Gathering<Real>& g, const Job& job, int64_t block, int64_t height, int t, Real* to) {
    const auto chosen = g.source->channels == 16   ? strips<Real, STRIP, TAPS, 16, CHANNELS, GRADED>
                        : g.source->channels == 32 ? strips<Real, STRIP, TAPS, 32, CHANNELS, GRADED>
                                                   : strips<Real, STRIP, TAPS, 64, CHANNELS, GRADED>;
    chosen(g, job, block, height, t, to);
}

template <class Real, bool GRADED>
void gather(const Gathering<Real>& g, const Job& job, int64_t block, int64_t height, int t, Real* to) {
    const Source& s = *g.source;
    if (s.kernel_x == 5)
        strips<Real, 1, 5, 16, GRADED>(g, job, block, height, t, to);
    else if (s.strip == 2)
        strips<Real, 2, 3, 16, GRADED>(g, job, block, height, t, to);
    else
        strips<Real, 1, 3, 32, GRADED>(g, job, block, height, t, to);
}

// One step of a tile where each spike is worth a factor of its channel's, at the neuron in its own place.
template <class Real, int INPUTS>
void factors(const Gathering<Real>& g, const Job& job, int64_t block, int64_t height, int t, Real* to) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    using integer = typename Lanes<Real>::integer;
    constexpr int L = lanes<Real>;
    const int64_t B = job.block, shift = block * B, columns = job.columns, count = INPUTS - shift < B ? INPUTS - shift : B;
    mask lane;
    for (int l = 0; l < L; ++l) lane[l] = integer(1) << l;
    for (int64_t b = 0; b < g.source->spikes.bits; ++b)
        for (int64_t c = 0; c < count; c += L) {
            const vec factor = *(const vec*)((const Real*)g.source->window + shift + c) * Real(1 << b);
            for (int64_t y = 0; y < height; ++y) {
                const auto* map = (const typename Bits<INPUTS>::type*)(g.maps + ((b * job.steps + t) * g.rows + y) * g.words);
                Real* sums = to + y * columns * B + c;
                for (int64_t x = 0; x < columns; ++x) {
                    const integer bits = integer(uint64_t(map[x]) >> (shift + c) & ((uint64_t(1) << L) - 1));
                    const mask on = ((mask{} + bits) & lane) != 0;
                    *(vec*)(sums + x * B) += (vec)((mask)factor & on);
                }
            }
        }
}

template <class Real>
void gather(const Gathering<Real>& g, const Job& job, int64_t block, int64_t height, int t, Real* to) {
    if (g.source->kernel_x == 1) {
        const auto chosen = g.source->channels == 16   ? factors<Real, 16>
                            : g.source->channels == 32 ? factors<Real, 32>
                                                       : factors<Real, 64>;
        return chosen(g, job, block, height, t, to);
    }
    g.planes() > 1 ? gather<Real, true>(g, job, block, height, t, to) : gather<Real, false>(g, job, block, height, t, to);
}

}  // namespace
}  // namespace respike
