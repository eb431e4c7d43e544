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
void clear_margins(const Frames& f, int64_t image, int64_t bit, int steps) {
    const int64_t side = MARGIN * f.pixel, edge = MARGIN * f.row, between = 2 * side;
    for (int t = 0; t < steps; ++t) {
        __builtin_memset(f.frame(image, bit, t), 0, edge + side);
        char* end = f.at(image, bit, t, 0, f.columns);  // of a row; the next one's margin follows
        for (int64_t y = 0; y < f.rows; ++y, end += f.row) {
            for (int64_t n = 0; n < between; n += sizeof(Word)) *(Word*)(end + n) = 0;
            *(Word*)(end + between - sizeof(Word)) = 0;
        }
        __builtin_memset(f.at(image, bit, t, f.rows, 0), 0, edge - side);
    }
}

// Where steps are few, 128 neurons are turned at once.
void to_frames(const Spikes& s, int64_t image, int64_t bit, int steps, const Frames& f) {
    const int64_t size = f.columns * f.channels;
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
            for (int half = 0; half < (high ? 2 : 1); ++half) {
                char* to = row + (begin + half * WORD) / 8;
                for (int t = 0; t < steps; ++t, to += f.step)  // whole words may fall on the margin
                    *(Word*)to = turning[turned(t + half * WORD / 2)];
            }
        }
    }
}

void to_frames(const Spikes& s, int64_t image, int steps, const Frames& f) {
    for (int64_t bit = 0; bit < s.bits; ++bit) {
        clear_margins(f, image, bit, steps);
        to_frames(s, image, bit, steps, f);
    }
}

void to_words(const Frames& f, int64_t image, int64_t bit, int steps, uint64_t* words) {
    const int64_t size = f.columns * f.channels;
    const int halves = halves_of(steps);
    alignas(64) uint64_t turning[WORD];
    for (int64_t y = 0; y < f.rows; ++y, words += size) {
        const char* row = f.at(image, bit, 0, y, 0);
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

// Adds up windows of 2x2 pixels: the sums are amplitudes of 3 bits.
void pool_frames(const Frames& from, int64_t image, int steps, const Frames& to) {
    typedef Bits<32>::type Half;
    const int64_t channels = from.channels, line = from.row, words = channels / WORD;
    uint64_t sums[3];
    // Of two rows: what is odd, and what both have.
    const auto odd = [&](const char* at) { return *(const Word*)at ^ *(const Word*)(at + line); };
    const auto both = [&](const char* at) { return *(const Word*)at & *(const Word*)(at + line); };
    const auto add = [&](uint64_t odd_left, uint64_t odd_right, uint64_t both_left, uint64_t both_right) {
        const uint64_t carry = odd_left & odd_right, twos = both_left ^ both_right;
        sums[0] = odd_left ^ odd_right;
        sums[1] = twos ^ carry;
        sums[2] = both_left & both_right;
    };
    for (int t = 0; t < steps; ++t)
        for (int64_t y = 0; y < to.rows; ++y) {
            const char* row = from.at(image, 0, t, 2 * y, 0);
            char* sent = to.at(image, 0, t, y, 0);
            if (words) {  // a pixel is whole words
                for (int64_t x = 0; x < to.columns; ++x)
                    for (int64_t w = 0; w < words; ++w) {
                        const char *left = row + 2 * x * from.pixel + w * sizeof(Word), *right = left + from.pixel;
                        add(odd(left), odd(right), both(left), both(right));
                        for (int b = 0; b < 3; ++b) *(Word*)(sent + b * to.plane + x * to.pixel + w * sizeof(Word)) = sums[b];
                    }
                continue;
            }
            const int64_t each = WORD / 2 / channels;  // windows of a word
            const uint64_t low = channels == 16 ? 0x0000FFFF0000FFFF : 0x00000000FFFFFFFF;
            for (int64_t x = 0; x < to.columns; x += each) {
                const char* at = row + 2 * x * from.pixel;
                const uint64_t one = odd(at), two = both(at), there = x + each > to.columns ? low & low >> WORD / 2 : low;
                add(one & there, one >> channels & there, two & there, two >> channels & there);
                for (int b = 0; b < 3; ++b)
                    *(Half*)(sent + b * to.plane + x * to.pixel) = uint32_t(channels == 16 ? sums[b] | sums[b] >> 16 : sums[b]);
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

// Adds the spikes of each step in the pieces of each class, sums [class][step]; the pieces of class c end at ends[c]. Says how
// many spikes there are.
int64_t count_frames(const Frames& f, int64_t image, int steps, const Piece* pieces, const int64_t* ends, int64_t classes,
                     int64_t* sums) {
    int64_t all = 0;
    for (int t = 0; t < steps; ++t) {
        const char* first = f.at(image, 0, t, 0, 0);
        int64_t i = 0;
        for (int64_t c = 0; c < classes; ++c) {
            int64_t sum = 0;
            for (; i < ends[c]; ++i) sum += __builtin_popcountll(*(const Word*)(first + pieces[i].offset) & pieces[i].mask);
            sums[c * steps + t] += sum;
            all += sum;
        }
    }
    return all;
}

}  // namespace
}  // namespace respike
