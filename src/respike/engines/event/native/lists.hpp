// From words of spikes to lists of spikes.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

// Turns 64 words of 64 bits: bit n of word t becomes bit t of word n.
void transpose(uint64_t* words) {
    uint64_t mask = 0x00000000FFFFFFFF;
    for (int j = 32; j; j >>= 1, mask ^= mask << j)
        for (int start = 0; start < 64; start += 2 * j)
            for (int k = start; k < start + j; ++k) {
                const uint64_t swapped = (words[k] >> j ^ words[k + j]) & mask;
                words[k] ^= swapped << j;
                words[k + j] ^= swapped;
            }
}

// The lists of one image; scratch: [planes + 1][neurons of a group, in whole 64s]. BITS is the number of planes where
// all spikes are positive (1: amplitudes are not wanted), or 0: whatever `s` says.
template <class Real, int BITS>
void sort(const Spikes& s, int64_t image, int steps, int64_t group, const uint32_t* names, uint32_t* where,
          Real* amplitude, uint32_t* begin, uint64_t* scratch) {
    const int64_t plane = s.images * s.neurons;
    const int planes = BITS ? BITS : s.signs * s.bits, positive = BITS ? BITS : s.bits;
    uint32_t position = 0;
    for (int64_t start = 0; start < s.neurons; start += group) {
        const int64_t size = start + group > s.neurons ? s.neurons - start : group;
        const int64_t blocks = (size + WORD - 1) / WORD, padded = blocks * WORD;
        uint64_t* any = scratch + planes * padded;
        for (int64_t n = 0; n < padded; ++n) any[n] = 0;
        for (int p = 0; p < planes; ++p) {
            const uint64_t* from = s.words + p * plane + image * s.neurons + start;
            uint64_t* to = scratch + p * padded;
            for (int64_t n = 0; n < size; ++n) to[n] = from[n];
            for (int64_t n = size; n < padded; ++n) to[n] = 0;
            for (int64_t b = 0; b < padded; b += WORD) {
                uint64_t spikes = 0;
                for (int64_t n = b; n < b + WORD; ++n) spikes |= to[n];
                if (!spikes) continue;
                transpose(to + b);
                for (int64_t n = b; n < b + WORD; ++n) any[n] |= to[n];
            }
        }
        for (int t = 0; t < steps; ++t) {
            *begin++ = position;
            for (int64_t b = 0; b < blocks; ++b) {
                const uint64_t* bits = scratch + b * WORD + t;
                const uint32_t* name = names + b * WORD;
                uint64_t word = any[b * WORD + t];
                const uint32_t end = position + uint32_t(__builtin_popcountll(word));
                while (position < end) {  // four at a time, some for nothing: no branch to guess. There is room.
                    uint32_t at[AHEAD];
                    for (int i = 0; i < AHEAD; ++i, word &= word - 1) {
                        at[i] = uint32_t(first(word | uint64_t(1) << 63));
                        where[position + i] = name[at[i]];
                    }
                    for (int i = 0; i < AHEAD && BITS != 1; ++i) {
                        int value = 0;
                        for (int p = 0; p < positive; ++p) value += int(bits[p * padded] >> at[i] & 1) << p;
                        for (int p = positive; p < planes; ++p)
                            value -= int(bits[p * padded] >> at[i] & 1) << (p - positive);
                        amplitude[position + i] = Real(value);
                    }
                    position += AHEAD;
                }
                position = end;
            }
        }
    }
    *begin = position;
}

template <class Real>
void sort(const Spikes& s, int64_t image, int steps, int64_t group, const uint32_t* names, uint32_t* where,
          Real* amplitude, uint32_t* begin, uint64_t* scratch) {
    const auto chosen = s.signs > 1    ? sort<Real, 0>
                        : s.bits == 1 ? sort<Real, 1>
                        : s.bits == 2 ? sort<Real, 2>
                        : s.bits == 3 ? sort<Real, 3>
                        : s.bits == 4 ? sort<Real, 4>
                                      : sort<Real, 0>;
    chosen(s, image, steps, group, names, where, amplitude, begin, scratch);
}

}  // namespace
}  // namespace respike
