// Words of spikes: from values and back, pooled, counted.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

template <class Real>
void decode(const Spikes& s, int64_t image, int steps, const Real* scale, Real* out) {
    const int64_t plane = s.images * s.neurons;
    for (int t = 0; t < steps; ++t) {
        Real* to = out + (t * s.images + image) * s.neurons;
        for (int p = 0; p < s.signs * s.bits; ++p) {
            const uint64_t* from = s.words + p * plane + image * s.neurons;
            const int amplitude = (p < s.bits ? 1 : -1) * (1 << p % s.bits);
            if (p == 0)
                for (int64_t n = 0; n < s.neurons; ++n) to[n] = Real(int(from[n] >> t & 1));
            else
                for (int64_t n = 0; n < s.neurons; ++n) to[n] += Real(amplitude * int(from[n] >> t & 1));
        }
        if (scale)
            for (int64_t n = 0; n < s.neurons; ++n) to[n] *= scale[n];
    }
}

template <class Real>
void encode(const Real* values, int64_t images, int64_t neurons, int64_t image, int steps, uint64_t* out) {
    uint64_t* to = out + image * neurons;
    for (int64_t n = 0; n < neurons; ++n) to[n] = 0;
    for (int t = 0; t < steps; ++t) {
        const Real* from = values + (t * images + image) * neurons;
        for (int64_t n = 0; n < neurons; ++n) to[n] |= uint64_t(from[n] != Real(0)) << t;
    }
}

// Adds one plane of words to binary numbers over `bits` planes that stand `next` apart.
inline void add_words(uint64_t* to, int64_t next, int bits, const uint64_t* from, int64_t count) {
    constexpr int width = RESPIKE_VECTOR / 8;
    int64_t n = 0;
    for (; n + width <= count; n += width) {
        Words carry = *(const Words*)(from + n);
        for (int k = 0; k < bits; ++k) {
            Words& sum = *(Words*)(to + k * next + n);
            const Words both = sum & carry;
            sum ^= carry;
            carry = both;
        }
    }
    for (; n < count; ++n) {
        uint64_t carry = from[n];
        for (int k = 0; k < bits; ++k) {
            uint64_t& sum = to[k * next + n];
            const uint64_t both = sum & carry;
            sum ^= carry;
            carry = both;
        }
    }
}

template <class Real>
void add_counts(const Spikes& s, Real* to) {
    const int64_t plane = s.images * s.neurons;
    for (int bit = 0; bit < s.bits; ++bit) {
        const uint64_t *up = s.words + bit * plane, *down = up + s.bits * plane;
        const Real each = Real(int64_t(1) << bit);
        for (int64_t n = 0; n < plane; ++n) {
            int net = __builtin_popcountll(up[n]);
            if (s.signs == 2) net -= __builtin_popcountll(down[n]);
            to[n] += Real(net) * each;
        }
    }
}

// A full adder for each bit: what is carried out of sum + a + b.
inline Words carry(Words& sum, Words a, Words b) {
    const Words either = sum ^ a, both = sum & a;
    sum = either ^ b;
    return both | (either & b);
}

// Adds words to 64 binary counters that lie side by side: bit t of planes[k] is bit k of counter t. There are `rows` of them,
// `apart` from each other, of `run` words each. Eight vectors at a time go through a tree of adders, of which one carry is left.
void add_up(const uint64_t* words, int64_t run, int64_t rows, int64_t apart, uint64_t* planes) {
    constexpr int width = RESPIKE_VECTOR / 8, places = 12;
    const auto ripple = [&](uint64_t word, int place) {
        for (; word; ++place) {
            const uint64_t both = planes[place] & word;
            planes[place] ^= word;
            word = both;
        }
    };
    const int64_t whole = run / width * width, vectors = whole / width * rows;
    const uint64_t *row = words, *at = words;
    const auto next = [&] {
        if (at == row + whole) at = row += apart;
        const Words vector = *(const Words*)at;
        at += width;
        return vector;
    };
    for (int64_t done = 0; done < vectors;) {
        Words sums[places] = {};
        const int64_t most = done + (1 << places) - 8, end = most < vectors ? most : vectors;
        for (; done < end; done += 8) {
            Words w[8];
            for (int i = 0; i < 8; ++i) w[i] = done + i < end ? next() : Words{};
            const Words a = carry(sums[0], w[0], w[1]), b = carry(sums[0], w[2], w[3]);
            const Words c = carry(sums[0], w[4], w[5]), d = carry(sums[0], w[6], w[7]);
            const Words low = carry(sums[1], a, b), high = carry(sums[1], c, d);
            Words left = carry(sums[2], low, high);
            for (int k = 3; k < places; ++k) {
                const Words both = sums[k] & left;
                sums[k] ^= left;
                left = both;
            }
        }
        for (int k = 0; k < places; ++k)
            for (int i = 0; i < width; ++i) ripple(sums[k][i], k);
    }
    for (int64_t r = 0; whole < run && r < rows; ++r)
        for (int64_t n = whole; n < run; ++n) ripple(words[r * apart + n], 0);
}

int64_t count(const Spikes& s, int64_t image) {
    const uint64_t* words = s.words + image * s.neurons;
    int64_t sum = 0;
    if (s.signs * s.bits == 1) {
        uint64_t planes[PLANES] = {};
        add_up(words, s.neurons, 1, 0, planes);
        for (int k = 0; k < PLANES; ++k) sum += int64_t(__builtin_popcountll(planes[k])) << k;
        return sum;
    }
    for (int64_t n = 0; n < s.neurons; ++n) {
        uint64_t any = words[n];
        for (int p = 1; p < s.signs * s.bits; ++p) any |= words[p * s.images * s.neurons + n];
        sum += __builtin_popcountll(any);
    }
    return sum;
}

// Sums over windows, as binary numbers over planes: each word is added with carries, 64 steps at once.
void pool(const Spikes& s, int64_t image, const Windows& w, int bits, uint64_t* out) {
    const int64_t plane = s.images * s.neurons, C = w.channels, result = w.rows * w.columns * C;
    for (int sign = 0; sign < s.signs; ++sign) {
        uint64_t* sums = out + (int64_t(sign) * bits * s.images + image) * result;
        const int64_t next = s.images * result;
        for (int64_t y = 0; y < w.rows; ++y)
            for (int64_t x = 0; x < w.columns; ++x) {
                uint64_t* to = sums + (y * w.columns + x) * C;
                for (int b = 0; b < bits; ++b)
                    for (int64_t c = 0; c < C; ++c) to[b * next + c] = 0;
                for (int64_t iy = w.row_begin[y]; iy < w.row_end[y]; ++iy)
                    for (int64_t ix = w.column_begin[x]; ix < w.column_end[x]; ++ix)
                        for (int b = 0; b < s.bits; ++b) {
                            const uint64_t* from =
                                s.words + (sign * s.bits + b) * plane + image * s.neurons + (iy * w.in_columns + ix) * C;
                            add_words(to + b * next, next, bits - b, from, C);
                        }
            }
    }
}

}  // namespace
}  // namespace respike
