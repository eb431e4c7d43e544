// From words of spikes to lists of spikes.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

// Between words `apart` from each other: exchanges the bits that have SHIFT set in their number and those that have not.
template <int SHIFT>
inline void exchange(uint64_t* words, int apart, uint64_t mask) {
    constexpr int width = RESPIKE_VECTOR / 8;
    for (int start = 0; start < WORD; start += 2 * apart)
        for (int k = start; k < start + apart; k += width) {
            Words &low = *(Words*)(words + k), &high = *(Words*)(words + k + apart);
            const Words swapped = (low >> SHIFT ^ high) & mask;
            low ^= swapped << SHIFT;
            high ^= swapped;
        }
}

// Where the bits of step t stand in transposed words.
inline int turned(int t) { return (t & 7) << 3 | t >> 3; }

// Turns 64 words of 64 bits: bit n of word turned(t) becomes bit t of word n. All exchanges are between words 8 or more
// apart, which are vectors: half way through, words move, so that near ones are far from each other.
void transpose(uint64_t* words) {
    exchange<32>(words, 32, 0x00000000FFFFFFFF);
    exchange<16>(words, 16, 0x0000FFFF0000FFFF);
    exchange<8>(words, 8, 0x00FF00FF00FF00FF);
    alignas(64) uint64_t moved[WORD];
    for (int i = 0; i < 8; ++i)
        for (int k = 0; k < 8; ++k) moved[8 * i + k] = words[8 * k + i];
    exchange<4>(moved, 32, 0x0F0F0F0F0F0F0F0F);
    exchange<2>(moved, 16, 0x3333333333333333);
    exchange<1>(moved, 8, 0x5555555555555555);
    for (int i = 0; i < WORD; ++i) words[i] = moved[i];
}

inline bool any_of(const uint64_t* words) {
    Words some{};
    for (int i = 0; i < WORD; i += RESPIKE_VECTOR / 8) some |= *(const Words*)(words + i);
    uint64_t any = 0;
    for (int i = 0; i < RESPIKE_VECTOR / 8; ++i) any |= some[i];
    return any;
}

// The neurons of a group that send spikes: their words, plane by plane, and their names.
struct Senders {
    uint64_t* words;  // [planes][room], then, for all planes together, [room]
    uint32_t* names;
    int64_t room, count, spikes;
    uint64_t steps;  // in which there are spikes
};

// Silent neurons are passed over, eight at a time where they stand together.
template <int BITS>
inline void collect(const Spikes& s, const uint64_t* from, int64_t size, int planes, const uint32_t* names, Senders& to) {
    const int64_t plane = s.images * s.neurons;
    constexpr int together = 8, width = RESPIKE_VECTOR / 8;
    uint64_t* any = to.words + planes * to.room;
    to.count = to.spikes = 0;
    to.steps = 0;
    for (int64_t n = 0; n < size; n += together) {
        const int64_t end = n + together < size ? n + together : size;
        if (end == n + together) {
            Words some{};
            for (int p = 0; p < planes; ++p)
                for (int i = 0; i < together; i += width) some |= *(const Words*)(from + p * plane + n + i);
            uint64_t one = 0;
            for (int i = 0; i < width; ++i) one |= some[i];
            if (!one) continue;
        }
        for (int64_t m = n; m < end; ++m) {
            uint64_t all = from[m];
            if (BITS != 1) {
                to.words[to.count] = from[m];
                for (int p = 1; p < planes; ++p) all |= to.words[p * to.room + to.count] = from[p * plane + m];
            }
            any[to.count] = all;
            to.names[to.count] = names[m];
            to.count += all != 0;
            to.spikes += __builtin_popcountll(all);
            to.steps |= all;
        }
    }
}

template <class Real>
inline Real amplitude_of(const uint64_t* word, int64_t next, int bit, int positive, int planes) {
    int value = 0;
    for (int p = 0; p < positive; ++p) value += int(word[p * next] >> bit & 1) << p;
    for (int p = positive; p < planes; ++p) value -= int(word[p * next] >> bit & 1) << (p - positive);
    return Real(value);
}

// The names of the bits that are set, and how many there are.
inline uint32_t name_all(uint64_t word, const uint32_t* names, uint32_t* to) {
    const int count = __builtin_popcountll(word);
    for (int n = 0; n < count; n += AHEAD, to += AHEAD)  // four at a time, some for nothing: no branch to guess. There is room.
        for (int i = 0; i < AHEAD; ++i, word &= word - 1) to[i] = names[first(word | uint64_t(1) << 63)];
    return uint32_t(count);
}

// The lists of one image; scratch: [planes + 2][neurons of a group, in whole 64s]. BITS is the number of planes where
// all spikes are positive (1: amplitudes are not wanted), or 0: whatever `s` says.
template <class Real, int BITS>
void sort(const Spikes& s, int64_t image, int steps, int64_t group, const uint32_t* names, uint32_t* where,
          Real* amplitude, uint32_t* begin, uint64_t* scratch) {
    const int planes = BITS ? BITS : s.signs * s.bits, positive = BITS ? BITS : s.bits;
    const int64_t room = (group + WORD - 1) / WORD * WORD;
    Senders senders{scratch, (uint32_t*)(scratch + (planes + 1) * room), room, 0, 0, 0};
    uint64_t *words = senders.words, *any = words + planes * room;
    uint32_t position = 0;
    for (int64_t start = 0; start < s.neurons; start += group, begin += steps) {
        const int64_t size = start + group > s.neurons ? s.neurons - start : group;
        collect<BITS>(s, s.words + image * s.neurons + start, size, planes, names, senders);
        if (senders.spikes < FEW_SPIKES * senders.count) {  // spike by spike: how many in each step, then each to its place
            uint32_t place[MOST_STEPS] = {};
            for (int64_t n = 0; n < senders.count; ++n)
                for (uint64_t word = any[n]; word; word &= word - 1) ++place[first(word)];
            for (int t = 0; t < steps; ++t) {
                const uint32_t count = place[t];
                begin[t] = place[t] = position;
                position += count;
            }
            for (int64_t n = 0; n < senders.count; ++n)
                for (uint64_t word = any[n]; word; word &= word - 1) {
                    const int t = first(word);
                    where[place[t]] = senders.names[n];
                    if (BITS != 1) amplitude[place[t]] = amplitude_of<Real>(words + n, room, t, positive, planes);
                    ++place[t];
                }
            continue;
        }
        const int64_t blocks = (senders.count + WORD - 1) / WORD;  // step by step, 64 neurons at once
        for (int p = BITS == 1 ? planes : 0; p <= planes; ++p) {
            for (int64_t n = senders.count; n < blocks * WORD; ++n) words[p * room + n] = 0;
            for (int64_t b = 0; b < blocks; ++b)
                if (uint64_t* block = words + p * room + b * WORD; any_of(block)) transpose(block);
        }
        for (int t = 0; t < steps; ++t) {
            begin[t] = position;
            if (!(senders.steps >> t & 1)) continue;
            for (int64_t b = 0; b < blocks; ++b) {
                const int64_t at = b * WORD + turned(t);
                const uint32_t* name = senders.names + b * WORD;
                if (BITS != 1) {
                    Real* to = amplitude + position;
                    for (uint64_t word = any[at]; word; word &= word - 1)
                        *to++ = amplitude_of<Real>(words + at, room, first(word), positive, planes);
                }
                position += name_all(any[at], name, where + position);
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
