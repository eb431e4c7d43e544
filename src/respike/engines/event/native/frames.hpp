// From words of spikes to frames, and back; frames counted.
#pragma once

#include "lists.hpp"

namespace respike {
namespace {

// What a pixel's channels are as bits.
template <int CHANNELS>
struct Bits;
template <>
struct Bits<16> {
    typedef uint16_t type __attribute__((may_alias, aligned(1)));
};
template <>
struct Bits<32> {
    typedef uint32_t type __attribute__((may_alias, aligned(1)));
};
template <>
struct Bits<64> {
    typedef uint64_t type __attribute__((may_alias, aligned(1)));
};
typedef Bits<WORD>::type Word;  // anywhere in memory

// Half the bits of a word are enough for so few steps: two of them are turned at once.
inline int halves_of(int steps) { return 2 * steps <= WORD ? 2 : 1; }

// Silence around an image's frames, which stand row by row.
void clear_margins(const Frames& f, int64_t image, int steps) {
    const int64_t side = MARGIN * f.pixel, edge = MARGIN * f.row;
    for (int t = 0; t < steps; ++t) {
        __builtin_memset(f.frame(image, 0, t), 0, edge + side);
        for (int64_t y = 0; y < f.rows; ++y) __builtin_memset(f.at(image, 0, t, y, f.columns), 0, 2 * side);
        __builtin_memset(f.at(image, 0, t, f.rows, 0), 0, edge - side);
    }
}

// Where steps are few, 128 neurons are turned at once. CHANNELS of a pixel are stored together, or, where it is 0, whole words.
template <int CHANNELS>
void to_frames(const Spikes& s, int64_t image, int64_t bit, int steps, const Frames& f) {
    typedef typename Bits<CHANNELS ? CHANNELS : WORD>::type Pixel;
    constexpr int EACH = CHANNELS ? WORD / CHANNELS : 1;
    const int64_t size = f.columns * f.channels, next = CHANNELS ? f.pixel : 0;
    const int halves = halves_of(steps);
    alignas(64) uint64_t turning[WORD];
    for (int64_t y = 0; y < f.rows; ++y) {
        const uint64_t* from = s.words + (bit * s.images + image) * s.neurons + y * size;
        char* row = f.at(image, bit, 0, y, 0);
        for (int64_t begin = 0; begin < size; begin += halves * WORD) {
            const int64_t count = size - begin;
            const int64_t low = count < WORD ? count : WORD;
            const int64_t high = halves == 1 || count < WORD ? 0 : count < 2 * WORD ? count - WORD : WORD;
            for (int64_t i = 0; i < low; ++i) turning[i] = from[begin + i];
            for (int64_t i = low; i < WORD; ++i) turning[i] = 0;
            for (int64_t i = 0; i < high; ++i) turning[i] |= from[begin + WORD + i] << WORD / 2;
            if (any_of(turning)) transpose(turning);
            for (int half = 0; half < halves; ++half) {
                const int64_t left = (half ? high : low) / (CHANNELS ? CHANNELS : 1), pixels = left < EACH ? left : EACH;
                char* to = row + (CHANNELS ? (begin + half * WORD) / CHANNELS * next : (begin + half * WORD) / 8);
                for (int t = 0; t < steps && pixels > 0; ++t, to += f.step) {
                    const uint64_t bits = turning[turned(t + half * WORD / 2)];  // whole words may fall on the margin
                    for (int64_t e = 0; e < pixels; ++e) *(Pixel*)(to + e * next) = Pixel(bits >> e * CHANNELS);
                }
            }
        }
    }
}

void to_frames(const Spikes& s, int64_t image, int steps, const Frames& f) {
    if (s.bits == 1) {
        clear_margins(f, image, steps);
        return to_frames<0>(s, image, 0, steps, f);
    }
    __builtin_memset(f.frame(image, 0, 0), 0, f.image);
    for (int64_t bit = 0; bit < s.bits; ++bit)
        if (f.channels == 16)
            to_frames<16>(s, image, bit, steps, f);
        else if (f.channels == 32)
            to_frames<32>(s, image, bit, steps, f);
        else
            to_frames<64>(s, image, bit, steps, f);
}

void to_words(const Frames& f, int64_t image, int steps, uint64_t* words) {
    const int64_t size = f.columns * f.channels;
    const int halves = halves_of(steps);
    alignas(64) uint64_t turning[WORD];
    for (int64_t y = 0; y < f.rows; ++y, words += size) {
        const char* row = f.at(image, 0, 0, y, 0);
        for (int64_t begin = 0; begin < size; begin += halves * WORD) {
            const char* from = row + begin / 8;  // more than the row has is read, and left out below
            for (int t = 0; t < WORD; ++t) turning[t] = t < steps ? *(const Word*)(from + t * f.step) : 0;
            if (halves == 2 && begin + WORD < size)
                for (int t = 0; t < steps; ++t) turning[t + WORD / 2] = *(const Word*)(from + t * f.step + sizeof(Word));
            if (any_of(turning)) transpose(turning);
            for (int half = 0; half < halves; ++half) {
                const int64_t first = begin + half * WORD, count = size - first < WORD ? size - first : WORD;
                for (int64_t i = 0; i < count; ++i) {
                    const uint64_t word = turning[turned(int(i))];
                    words[first + i] = halves == 1 ? word : uint64_t(uint32_t(word >> half * WORD / 2));
                }
            }
        }
    }
}

// The lists of one image, as `sort` makes them from words; rows without spikes are passed over 64 neurons at a time.
void sort_frames(const Frames& f, int64_t image, int steps, const uint32_t* names, uint32_t* where, uint32_t* begin) {
    const int64_t size = f.columns * f.channels;
    uint32_t position = 0;
    for (int64_t y = 0; y < f.rows; ++y)
        for (int t = 0; t < steps; ++t) {
            *begin++ = position;
            const char* row = f.at(image, 0, t, y, 0);
            for (int64_t n = 0; n < size; n += WORD)  // behind the row's end is silence
                if (const uint64_t word = *(const Word*)(row + n / 8)) position += name_all(word, names + n, where + position);
        }
    *begin = position;
}

// Adds the spikes of each step.
void count_frames(const Frames& f, int64_t image, int steps, const Piece* pieces, int64_t count, int64_t* sums) {
    for (int t = 0; t < steps; ++t) {
        const char* first = f.at(image, 0, t, 0, 0);
        int64_t sum = 0;
        for (int64_t i = 0; i < count; ++i) sum += __builtin_popcountll(*(const Word*)(first + pieces[i].offset) & pieces[i].mask);
        sums[t] += sum;
    }
}

}  // namespace
}  // namespace respike
