// Adds up what spikes deliver through small kernels, output by output: a window of sums slides along a row in registers.
//
// Spikes are read from frames. `strip` rows of outputs are added up together. A column of inputs that any of them sees is a
// number of so many bits; for each bit that is set, one run of weights is added to all sums that its spike reaches, those of
// neighbouring outputs. Then the window moves on by one column:
//
//     bits of step t     column 0  1  2  3          sums in registers, 3x3 kernel, strip of 2
//     row y - 1                 .  *  .  .
//     row y                     .  .  *  .              row y      | x - 1 | x | x + 1 |
//     row y + 1                 *  .  .  .              row y + 1  | x - 1 | x | x + 1 |     each box: `together` channels
//     row y + 2                 .  .  .  .
//
// How many bits are set cannot be guessed, and a wrong guess costs more than some additions. So AT_ONCE bits are added without
// asking, those that are not there as zeros, and only then is asked whether there are more.
//
// Where columns have many spikes, or these have amplitudes, the spikes of a step that a tile sees are listed before, column by
// column, each as the place of its run of weights (`is_listed`). Each bit of an amplitude is a spike of its own, whose weights
// are multiplied by what it is worth. Rows of outputs, each of which sees much of what the one above sees, then read parts of
// these lists.
//
// With a stride of 2, every other column reaches two outputs, and those between them one. A kernel of one pixel needs no
// window.
//
// Where neurons only take what they get (`sends_frames`), a sum that is complete goes straight into its neurons, which fire at
// once, and spikes leave as frames.
#pragma once

#include "frames.hpp"
#include "room.hpp"

namespace respike {
namespace {

constexpr int AT_ONCE = 4;

typedef uint64_t Bytes __attribute__((vector_size(RESPIKE_VECTOR), aligned(1), may_alias));  // anywhere in memory

// Lists where the weights of some spikes of PADDING channels are: `from` the first channel's on, `run` for each channel. Bit b
// of their amplitudes is in the bits from b * PADDING on, and its weights `run` * PADDING further. Some places behind the last
// are written, too.
inline uint16_t* list_some(uint64_t spikes, int64_t bits, uint32_t from, uint32_t run, uint16_t* to) {
#if defined(__AVX512VBMI2__)
    alignas(64) static constexpr uint16_t lane[2 * PADDING] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                                               16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    constexpr int FEW = 8;  // a narrow store seldom crosses cache lines
    const __m512i places = _mm512_mullo_epi16(*(const __m512i*)lane, _mm512_set1_epi16(short(run)));
    for (int64_t b = 0; b == 0 || (b < bits && spikes >> b * PADDING); b += 2) {  // amplitudes above 3 are rare
        const uint32_t two = uint32_t(spikes >> b * PADDING);
        const int count = __builtin_popcount(two);
        const __m512i next = _mm512_add_epi16(places, _mm512_set1_epi16(short(from + uint32_t(b * PADDING) * run)));
        const __m512i found = _mm512_maskz_compress_epi16(two, next);
        _mm_storeu_si128((__m128i*)to, _mm512_castsi512_si128(found));
        if (__builtin_expect(count > FEW, 0)) _mm512_storeu_si512(to, found);
        to += count;
    }
    return to;
#else
    if (!spikes) return to;
    uint16_t* const end = to + __builtin_popcountll(spikes);
    do {
#pragma GCC unroll 1
        for (int i = 0; i < AT_ONCE; ++i, spikes &= spikes - 1)
            to[i] = uint16_t(from + uint32_t(first(spikes | uint64_t(1) << (WORD - 1))) * run);
        to += AT_ONCE;
    } while (spikes);
    return end;
#endif
}

// A map as it meets a tile of the population behind it, where its spikes are gathered.
template <class Real>
struct Gathering {
    const Source* source;
    int64_t width;     // columns that are looked at
    const char* bits;  // of the first pixel that the tile sees
    Real* nowhere;     // a row of sums that nobody wants
    char* silent;      // and of spikes
    char* sums;        // of pooled pixels of a step: [bit][row][pixel], every other pixel
    int64_t line;      // bytes of a row of these
    uint16_t* places;  // where the weights of a step's spikes are, column by column; in units of `together` numbers
    uint32_t* begin;   // [column][row]: the first of them

    Gathering(Room& room, const Source& s, const Job& job)
        : source(&s),
          width(s.stride_x == 1 ? job.columns + s.kernel_x - 1 - s.padding_x : s.stride_x * (job.columns - 1) + s.kernel_x),
          bits(nullptr) {
        const int64_t channels = job.channels > job.block ? job.channels : job.block;
        nowhere = room.take<Real>(job.columns * channels);
        silent = room.take<char>(job.columns * channels / 8);
        const int64_t rows = is_listed(s) ? job.tile_rows + s.kernel_y : 0, pixels = rows * width;
        line = (2 * width * s.channels / 8 + RESPIKE_VECTOR - 1) / RESPIKE_VECTOR * RESPIKE_VECTOR;
        sums = room.take<char>(s.pooled ? MOST_GATHERED_BITS * rows * line : 0);
        places = room.take<uint16_t>(pixels * s.window_bits * s.channels + 2 * PADDING);
        begin = room.take<uint32_t>(pixels);
    }

    // With a stride of 1, the window starts within the map.
    void meet(int64_t image, int64_t top) {
        const Source& s = *source;
        const int64_t y = top * s.stride_y - s.padding_y;
        bits = s.frames.at(image, 0, 0, s.pooled ? 2 * y : y, s.stride_x == 1 ? 0 : -s.padding_x);
    }

    const char* at(int t, int64_t y) const { return bits + t * source->frames.step + y * source->frames.row; }

    // Lists the spikes of a step in so many rows. Runs of weights are `run` numbers long.
    void list(int t, int64_t rows, uint32_t run) const {
        const Source& s = *source;
        const Frames& f = s.frames;
        if (s.pooled) pool(t, rows);
        const Seen seen = s.pooled ? Seen{sums, rows * line, line, 2 * f.pixel} : Seen{at(t, 0), f.plane, f.row, f.pixel};
        switch (s.channels / PADDING) {
            case 1: return list<1>(seen, rows, run);
            case 2: return list<2>(seen, rows, run);
            default: return list<4>(seen, rows, run);
        }
    }

  private:
    // Pixels whose amplitudes stand bit by bit in planes, and how far it is from one to the next.
    struct Seen {
        const char* first;
        int64_t plane, row, pixel;
    };

    // Adds up 2x2 pixels from each pixel on, of which every other one is asked for.
    void pool(int t, int64_t rows) const {
        const Frames& f = source->frames;
        for (int64_t y = 0; y < rows; ++y)
            for (int64_t n = 0; n < line; n += RESPIKE_VECTOR) {
                const char* pixel = at(t, 2 * y) + n;
                const auto bytes = [&](int64_t offset) { return *(const Bytes*)(pixel + offset); };
                const Bytes a = bytes(0), b = bytes(f.pixel), c = bytes(f.row), d = bytes(f.row + f.pixel);
                const Bytes upper = a ^ b, lower = c ^ d, carry = upper & lower, above = a & b, below = c & d;
                char* to = sums + y * line + n;
                *(Bytes*)to = upper ^ lower;
                *(Bytes*)(to + rows * line) = above ^ below ^ carry;
                *(Bytes*)(to + 2 * rows * line) = above & below;
            }
    }

    // PIECES of PADDING channels each.
    template <int PIECES>
    void list(const Seen& seen, int64_t rows, uint32_t run) const {
        const int64_t bits = source->window_bits;
        const uint32_t table = uint32_t(bits * PADDING) * run;  // of a piece
        uint16_t* to = places;
        uint32_t* first = begin;
        for (int64_t x = 0; x < width; ++x) {
            const char* pixel = seen.first + x * seen.pixel;
            uint32_t from = 0;
            for (int64_t y = 0; y < rows; ++y, pixel += seen.row) {
                *first++ = uint32_t(to - places);
                for (int piece = 0; piece < PIECES; ++piece, from += table) {
                    uint64_t spikes = 0;
#pragma GCC unroll 3
                    for (int b = 0; b < MOST_GATHERED_BITS; ++b)
                        if (b < bits) spikes |= uint64_t(((const Bits<PADDING>::type*)(pixel + b * seen.plane))[piece]) << b * PADDING;
                    to = list_some(spikes, bits, from, run, to);
                }
            }
            *first++ = uint32_t(to - places);
        }
    }
};

// The numbers of PADDING channels of neurons, behind each other: they fire at the bound, and spikes that pass by are worth
// the factor.
enum { BOUND, THRESHOLD, FACTOR, NUMBERS };

template <class Real>
inline int64_t number(int which, int64_t channel) {
    return (channel / PADDING * NUMBERS + which) * PADDING + channel % PADDING;
}

// The neurons that sums go into, and that send frames.
template <class Real>
struct Taking {
    Real* numbers;  // [block / PADDING][NUMBERS][PADDING]
    Real* base;     // [block], what sums start from
    char* fired;    // their frames, from the tile's first pixel and the block's first channel on
    const Gathering<Real>* passing;  // spikes that are worth a factor of their channel's and added last, or null

    Taking(Room& room, const Job& job) : fired(nullptr), passing(nullptr) {
        numbers = room.take<Real>(NUMBERS * job.block);
        base = room.take<Real>(job.block);
    }

    void begin(const Job& job, int64_t block, int64_t image, int64_t top) {
        const Real* from = (const Real*)job.threshold + block * job.block;
        for (int64_t c = 0; c < job.block; ++c) {
            numbers[number<Real>(THRESHOLD, c)] = from[c];
            numbers[number<Real>(BOUND, c)] = job.dynamics == Dynamics::subtract_at ? from[c] : above(from[c]);
            numbers[number<Real>(FACTOR, c)] =
                passing ? ((const Real*)passing->source->window)[block * job.block + c] : Real(0);
        }
        fired = job.sent.at(image, 0, 0, top, 0) + block * job.block / 8;
    }

    // What is there in a step without spikes.
    void rest(const Job& job, int64_t block, int64_t image, int t) {
        const int64_t from = t * job.rest_step + image * job.rest_image + block * job.block;
        for (int64_t c = 0; c < job.block; ++c) base[c] = job.rest ? ((const Real*)job.rest)[from + c] : Real(0);
    }

    // One step on currents in memory, [row][column][block], in whose place comes what they start from in the next step.
    void step(const Job& job, int64_t height, int t, Real* current, Real* potential) const {
        using vec = typename Lanes<Real>::vec;
        constexpr int L = lanes<Real>, V = PADDING / L;
        for (int64_t c = 0; c < job.block; c += PADDING) {
            vec bound[V], less[V], start[V];
            for (int i = 0; i < V; ++i) {
                bound[i] = ((const vec*)(numbers + number<Real>(BOUND, c)))[i];
                less[i] = ((const vec*)(numbers + number<Real>(THRESHOLD, c)))[i];
                start[i] = ((const vec*)(base + c))[i];
            }
            for (int64_t y = 0; y < height; ++y) {
                char* to = fired + t * job.sent.step + y * job.sent.row + c / 8;
                vec *z = (vec*)(current + y * job.columns * job.block + c), *v = (vec*)(potential + y * job.columns * job.channels + c);
                for (int64_t x = 0; x < job.columns; ++x, to += job.sent.pixel, z += job.block / L, v += job.channels / L) {
                    uint64_t bits = 0;
                    for (int i = 0; i < V; ++i) {
                        vec after = v[i] + z[i];
                        z[i] = start[i];
                        bits |= take_off<Real>(after, bound[i], less[i]) << i * L;
                        v[i] = after;
                    }
                    *(Bits<PADDING>::type*)to = typename Bits<PADDING>::type(bits);
                }
            }
        }
    }

    // All steps of a tile on dense currents, where they are.
    void steps(const Job& job, int64_t height, const Real* current, Real* potential) const {
        constexpr int V = RESPIKE_VECTOR == 64 ? 8 : 2;  // as registers allow
        for (int64_t c = 0; c < job.block; c += PADDING)
            for (int64_t y = 0; y < height; ++y) {
                const Real* z = current + y * job.columns * job.rest_pixel + c;
                Real* v = potential + y * job.columns * job.channels + c;
                char* to = fired + y * job.sent.row + c / 8;
                int64_t x = 0;
                for (; x + V <= job.columns; x += V, z += V * job.rest_pixel, v += V * job.channels, to += V * job.sent.pixel)
                    steps<V>(job, numbers + number<Real>(0, c), z, v, to);
                for (; x < job.columns; ++x, z += job.rest_pixel, v += job.channels, to += job.sent.pixel)
                    steps<1>(job, numbers + number<Real>(0, c), z, v, to);
            }
    }

  private:
    // PADDING channels of so many pixels. Where there is neither a current nor a spike in the first step, there is none later.
    template <int PIXELS>
    static void steps(const Job& job, const Real* numbers, const Real* current, Real* potential, char* to) {
        using vec = typename Lanes<Real>::vec;
        using mask = typename Lanes<Real>::mask;
        typedef Bits<PADDING>::type Pixel;
        constexpr int L = lanes<Real>, V = PADDING / L;
        const int64_t steps = job.steps, next = job.sent.step, pixel = job.sent.pixel, channels = job.channels;
        const int64_t rest_step = job.rest_step, rest_pixel = job.rest_pixel;
        vec v[PIXELS][V], bound[V], less[V];
        mask moved{};
        for (int i = 0; i < V; ++i) {
            bound[i] = ((const vec*)(numbers + BOUND * PADDING))[i];
            less[i] = ((const vec*)(numbers + THRESHOLD * PADDING))[i];
        }
        for (int p = 0; p < PIXELS; ++p)
            for (int i = 0; i < V; ++i) {
                v[p][i] = ((const vec*)(potential + p * channels))[i];
                moved |= (((const vec*)(current + p * rest_pixel))[i] != Real(0)) | (v[p][i] >= bound[i]);
            }
        if (!rest_step && !bits_of<Real>(moved)) {  // much of an image is often background
            for (int64_t t = 0; t < steps; ++t, to += next)
                for (int p = 0; p < PIXELS; ++p) *(Pixel*)(to + p * pixel) = 0;
            return;
        }
        for (int64_t t = 0; t < steps; ++t, to += next, current += rest_step)
            for (int p = 0; p < PIXELS; ++p) {
                uint64_t bits = 0;
                for (int i = 0; i < V; ++i) {
                    v[p][i] += ((const vec*)(current + p * rest_pixel))[i];
                    bits |= take_off<Real>(v[p][i], bound[i], less[i]) << i * L;
                }
                *(Pixel*)(to + p * pixel) = Pixel(bits);
            }
        for (int p = 0; p < PIXELS; ++p)
            for (int i = 0; i < V; ++i) ((vec*)(potential + p * channels))[i] = v[p][i];
    }

    static float above(float number) { return __builtin_nextafterf(number, __builtin_huge_valf()); }
    static double above(double number) { return __builtin_nextafter(number, __builtin_huge_val()); }
};

// Rows of outputs, some of their channels: what their sums start from, and what becomes of them.
constexpr int MOST_STRIP = 2;

template <class Real>
struct Outputs {
    const Real* from[MOST_STRIP];
    Real* to[MOST_STRIP];            // where sums go, or the potentials of the neurons that take them
    char* fired[MOST_STRIP];         // their spikes; null where sums are stored
    const char* passing[MOST_STRIP]; // spikes that pass by, or null
    const Real* numbers;
    int64_t from_next, to_next, fired_next, passing_next;  // to the next output; the first is 0 where all start alike
};

// How far the outputs are that are finished.
struct Place {
    int64_t to, fired, passing;

    template <class Real>
    void advance(const Outputs<Real>& out) {
        to += out.to_next;
        fired += out.fired_next;
        passing += out.passing_next;
    }
};

// The sums of an output are complete.
template <class Real, int CHANNELS>
inline __attribute__((always_inline)) void finish(const Outputs<Real>& out, int row, const Place& place,
                                                  const typename Lanes<Real>::vec* sum) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    using integer = typename Lanes<Real>::integer;
    typedef typename Bits<CHANNELS>::type Pixel;
    constexpr int L = lanes<Real>, V = CHANNELS / L;
    Real* to = out.to[row] + place.to;
    if (!out.fired[0]) {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) *(vec*)(to + v * L) = sum[v];
        return;
    }
    uint64_t fired = 0;
    const auto take = [&](int v, vec current) __attribute__((always_inline)) {
        const Real* numbers = out.numbers + number<Real>(0, v * L);
        vec potential = *(const vec*)(to + v * L) + current;
        const vec bound = *(const vec*)(numbers + BOUND * PADDING), less = *(const vec*)(numbers + THRESHOLD * PADDING);
        fired |= take_off<Real>(potential, bound, less) << v * L;
        *(vec*)(to + v * L) = potential;
    };
    if (out.passing[0]) {
        const uint64_t passing = *(const Pixel*)(out.passing[row] + place.passing);
        mask lane;
#pragma GCC unroll 16
        for (int l = 0; l < L; ++l) lane[l] = integer(1) << l;
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) {
            const mask on = ((mask{} + integer(passing >> v * L & ((uint64_t(1) << L) - 1))) & lane) != 0;
            take(v, sum[v] + (vec)(*(const mask*)(out.numbers + number<Real>(FACTOR, v * L)) & on));
        }
    } else {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) take(v, sum[v]);
    }
    *(Pixel*)(out.fired[row] + place.fired) = Pixel(fired);
}

inline int first_or_none(uint64_t word) { return word ? first(word) : WORD; }

// The spikes of a column, of SEEN rows of INPUTS channels.
template <int INPUTS, int SEEN, class One>
inline __attribute__((always_inline)) void visit(const char* column, const Frames& f, const One& one) {
    typedef typename Bits<INPUTS>::type Pixel;
    constexpr int EACH = WORD / INPUTS, NUMBERS = (SEEN + EACH - 1) / EACH;
#pragma GCC unroll 8
    for (int n = 0; n < NUMBERS; ++n) {  // EACH rows as one number
        const int left = SEEN - n * EACH, rows = left < EACH ? left : EACH;
        uint64_t all = 0;
#pragma GCC unroll 4
        for (int e = 0; e < rows; ++e) all |= uint64_t(*(const Pixel*)(column + (n * EACH + e) * f.row)) << e * INPUTS % WORD;
        do {
#pragma GCC unroll 8
            for (int k = 0; k < AT_ONCE; ++k, all &= all - 1) one(n * (WORD + 1) + first_or_none(all));
        } while (all);
    }
}

// The taps FROM … END - 1 of a column.
template <int FIRST, int LAST>
struct Reach {
    static constexpr int FROM = FIRST, END = LAST;
};

// Calls function(Reach), without the taps that fall beside the row: so many of the first, or so many of the last.
template <int TAPS, int LESS = 0, class Function>
inline __attribute__((always_inline)) void reaching(int64_t left, int64_t right, const Function& function) {
    if constexpr (LESS + 1 < TAPS)
        if (left > LESS || (left <= 0 && right > LESS)) return reaching<TAPS, LESS + 1>(left, right, function);
    left > 0 ? function(Reach<LESS, TAPS>()) : function(Reach<0, TAPS - LESS>());
}

// One step of STRIP rows of outputs, CHANNELS of their channels. A column of inputs reaches TAPS outputs; those of its runs of
// weights that are to be added are found by visit(column, left, right, add): so many of the taps fall beside the row.
template <class Real, int STRIP, int TAPS, int CHANNELS, class Visit>
inline __attribute__((always_inline)) void slide(const Gathering<Real>& g, const Job& job, const Outputs<Real>& out,
                                                 const Visit& visit) {
    using vec = typename Lanes<Real>::vec;
    constexpr int L = lanes<Real>, V = CHANNELS / L;
    const int64_t before = TAPS - 1 - g.source->padding_x, width = g.width, columns = job.columns;
    vec sum[STRIP][TAPS][V];
    const auto start = [&](int o, int k, int64_t from) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[o][k][v] = *(const vec*)(out.from[o] + from + v * L);
    };
    const auto add = [&](const Real* taps, auto reach) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int o = 0; o < STRIP; ++o)
#pragma GCC unroll 16
            for (int k = reach.FROM; k < reach.END; ++k)
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) sum[o][k][v] += *(const vec*)(taps + (o * TAPS + k) * CHANNELS + v * L);
    };
    int64_t next = 0;  // the output that the window's last sums belong to; sums of outputs that are not there are lost
    for (int k = 0; k < TAPS; ++k) next = k - before > 0 && k - before < columns ? k - before : next;
#pragma GCC unroll 16
    for (int o = 0; o < STRIP; ++o)
#pragma GCC unroll 16
        for (int k = 0; k < TAPS; ++k) {
            const int64_t x = k - before < 0 ? 0 : k - before < columns ? k - before : columns - 1;
            start(o, k, x * out.from_next);
        }
    int64_t from = next * out.from_next;
    Place place{};
    for (int64_t x = 0; x < width; ++x) {
        visit(x, before - x, x - before + TAPS - columns, add);
        if (x >= before) {
#pragma GCC unroll 16
            for (int o = 0; o < STRIP; ++o) finish<Real, CHANNELS>(out, o, place, sum[o][0]);
            place.advance(out);
        }
        if (next + 1 < columns) ++next, from += out.from_next;
#pragma GCC unroll 16
        for (int o = 0; o < STRIP; ++o) {
#pragma GCC unroll 16
            for (int k = 0; k + 1 < TAPS; ++k)
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) sum[o][k][v] = sum[o][k + 1][v];
            start(o, TAPS - 1, from);
        }
    }
}

// The spikes read from frames, INPUTS channels of them.
template <class Real, int STRIP, int TAPS, int INPUTS, int CHANNELS>
void slide_frames(const Gathering<Real>& g, const Job& job, const char* map, const Real* weight, const Outputs<Real>& out) {
    const Frames frames = g.source->frames;
    const auto column = [&](int64_t x, int64_t, int64_t, const auto& add) __attribute__((always_inline)) {
        visit<INPUTS, STRIP + TAPS - 1>(map + x * (INPUTS / 8), frames, [&](int at) __attribute__((always_inline)) {
            add(weight + at * (STRIP * TAPS * CHANNELS), Reach<0, TAPS>());
        });
    };
    slide<Real, STRIP, TAPS, CHANNELS>(g, job, out, column);
}

// The spikes read from lists: those of TAPS rows from y on. Maps behind pooling are narrow, so taps beside the row count.
template <class Real, int TAPS, int CHANNELS>
void slide_lists(const Gathering<Real>& g, const Job& job, int64_t y, int64_t rows, const Real* weight, const Outputs<Real>& out) {
    const uint16_t* places = g.places;
    const uint32_t* begin = g.begin + y;
    const uint32_t above = uint32_t(y * g.source->window_bits * g.source->channels * TAPS);
    const auto column = [&](int64_t x, int64_t left, int64_t right, const auto& add) __attribute__((always_inline)) {
        const uint32_t* range = begin + x * (rows + 1);
        const uint16_t *place = places + range[0], *end = places + range[TAPS];
        reaching<TAPS>(left, right, [&](auto reach) __attribute__((always_inline)) {
            for (; place < end; ++place) add(weight + (*place - above) * CHANNELS, reach);
        });
    };
    slide<Real, 1, TAPS, CHANNELS>(g, job, out, column);
}

// The same for one row of outputs behind a kernel of 3x3 with a stride of 2. Weights of a spike: what it adds to the output
// that its column is the last of, and to the one that it is the first of; else, to the one that it is the middle of.
template <class Real, int INPUTS, int CHANNELS>
void stride(const Gathering<Real>& g, const Job& job, const char* map, const Real* weight, const Outputs<Real>& out) {
    using vec = typename Lanes<Real>::vec;
    constexpr int L = lanes<Real>, V = CHANNELS / L, ROW = 3 * CHANNELS;
    const int64_t columns = job.columns;
    const Frames frames = g.source->frames;
    vec done[V], sum[V];
    const auto ends = [&](int at) __attribute__((always_inline)) {
        const Real* taps = weight + at * ROW;
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) {
            done[v] += *(const vec*)(taps + v * L);
            sum[v] += *(const vec*)(taps + CHANNELS + v * L);
        }
    };
    const auto middle = [&](int at) __attribute__((always_inline)) {
        const Real* taps = weight + at * ROW + 2 * CHANNELS;
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[v] += *(const vec*)(taps + v * L);
    };
    Place place{};
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) done[v] = vec{};
    for (int64_t x = 0; x <= columns; ++x) {
        const Real* from = out.from[0] + (x < columns ? x : 0) * out.from_next;
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[v] = *(const vec*)(from + v * L);
        visit<INPUTS, 3>(map, frames, ends);
        if (x) {
            finish<Real, CHANNELS>(out, 0, place, done);
            place.advance(out);
        }
        if (x == columns) return;
        map += INPUTS / 8;
        visit<INPUTS, 3>(map, frames, middle);
        map += INPUTS / 8;
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) done[v] = sum[v];
    }
}

// And where each output sees one pixel.
template <class Real, int INPUTS, int CHANNELS>
void point(const Gathering<Real>& g, const Job& job, const char* map, const Real* weight, const Outputs<Real>& out) {
    using vec = typename Lanes<Real>::vec;
    constexpr int L = lanes<Real>, V = CHANNELS / L;
    const int64_t columns = job.columns, next = g.source->stride_x * (INPUTS / 8);
    const Frames frames = g.source->frames;
    vec sum[V];
    const auto one = [&](int at) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[v] += *(const vec*)(weight + at * CHANNELS + v * L);
    };
    Place place{};
    for (int64_t x = 0; x < columns; ++x, map += next) {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[v] = *(const vec*)(out.from[0] + x * out.from_next + v * L);
        visit<INPUTS, 1>(map, frames, one);
        finish<Real, CHANNELS>(out, 0, place, sum);
        place.advance(out);
    }
}

// One step of a tile, [row][column][block]. Where neurons take the sums, `to` holds their potentials, `to_next` from one
// pixel to the next, and sums start from their base, or from currents, [row][column][block].
template <class Real>
struct Strips {
    const Gathering<Real>& g;
    const Job& job;
    int64_t block, height;
    int t;
    Real* to;
    int64_t to_next;
    const Taking<Real>* taking;  // null where sums are added to `to`
    const Real* currents;        // or null

    // `count` rows from y on, channels from c on.
    Outputs<Real> outputs(int64_t y, int count, int64_t c) const {
        const int64_t B = job.block, columns = job.columns;
        Outputs<Real> out{};
        out.to_next = to_next;
        out.from_next = !taking ? to_next : currents ? B : 0;
        for (int o = 0; o < count; ++o) {
            const bool there = y + o < height;
            out.to[o] = there ? to + (y + o) * columns * to_next + c : g.nowhere + c;
            out.from[o] = !taking ? out.to[o] : currents ? currents + (there ? y + o : y) * columns * B + c : taking->base + c;
            if (!taking) continue;
            out.fired[o] = there ? taking->fired + t * job.sent.step + (y + o) * job.sent.row + c / 8 : g.silent;
            if (const Gathering<Real>* passing = taking->passing)
                out.passing[o] = passing->at(t, there ? y + o : y) + (block * B + c) / 8;
        }
        if (!taking) return out;
        out.numbers = taking->numbers + number<Real>(0, c);
        out.fired_next = job.sent.pixel;
        out.passing_next = taking->passing ? taking->passing->source->frames.pixel : 0;
        return out;
    }

    template <int STRIP, int TAPS, int INPUTS, int CHANNELS>
    void framed() const {
        const Source& s = *g.source;
        const int64_t weights = window_rows((STRIP + TAPS - 1) * INPUTS) * STRIP * TAPS * CHANNELS;
        const Real* weight = (const Real*)s.window + block * (job.block / CHANNELS) * weights;
        for (int64_t c = 0; c < job.block; c += CHANNELS, weight += weights)
            for (int64_t y = 0; y < height; y += STRIP) {
                const Outputs<Real> out = outputs(y, STRIP, c);
                const char* map = g.at(t, y * s.stride_y);
                if constexpr (TAPS == 1) {
                    point<Real, INPUTS, CHANNELS>(g, job, map, weight, out);
                    continue;
                }
                if constexpr (TAPS == 3 && STRIP == 1)
                    if (s.stride_x == 2) {
                        stride<Real, INPUTS, CHANNELS>(g, job, map, weight, out);
                        continue;
                    }
                if constexpr (TAPS > 1) slide_frames<Real, STRIP, TAPS, INPUTS, CHANNELS>(g, job, map, weight, out);
            }
    }

    template <int STRIP, int TAPS, int CHANNELS>
    void framed() const {
        if (g.source->channels == 16) return framed<STRIP, TAPS, 16, CHANNELS>();
        if (g.source->channels == 32) return framed<STRIP, TAPS, 32, CHANNELS>();
        framed<STRIP, TAPS, 64, CHANNELS>();
    }

    template <int TAPS, int CHANNELS>
    void listed() const {
        const Source& s = *g.source;
        const int64_t seen = height + TAPS - 1, weights = TAPS * s.window_bits * s.channels * TAPS * CHANNELS;
        const Real* weight = (const Real*)s.window + block * (job.block / CHANNELS) * weights;
        g.list(t, seen, TAPS);
        for (int64_t c = 0; c < job.block; c += CHANNELS, weight += weights)
            for (int64_t y = 0; y < height; ++y)
                slide_lists<Real, TAPS, CHANNELS>(g, job, y, seen, weight, outputs(y, 1, c));
    }

    void run() const {
        const Source& s = *g.source;
        if (s.kernel_x == 5) return listed<5, 16>();
        if (is_listed(s)) return s.together == 16 ? listed<3, 16>() : listed<3, 32>();
        if (s.kernel_x == 1) return framed<1, 1, 32>();
        s.strip == 2 ? framed<2, 3, 16>() : framed<1, 3, 32>();
    }
};

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
                const char* map = g.at(t, y) + b * g.source->frames.plane;
                Real* sums = to + y * columns * B + c;
                for (int64_t x = 0; x < columns; ++x, map += g.source->frames.pixel) {
                    const uint64_t pixel = *(const typename Bits<INPUTS>::type*)map;
                    const mask on = ((mask{} + integer(pixel >> (shift + c) & ((uint64_t(1) << L) - 1))) & lane) != 0;
                    *(vec*)(sums + x * B) += (vec)((mask)factor & on);
                }
            }
        }
}

// One step of a tile: to[row][column][block].
template <class Real>
void gather(const Gathering<Real>& g, const Job& job, int64_t block, int64_t height, int t, Real* to) {
    if (!is_factor(*g.source)) return Strips<Real>{g, job, block, height, t, to, job.block, nullptr, nullptr}.run();
    const int64_t channels = g.source->channels;
    const auto chosen = channels == 16 ? factors<Real, 16> : channels == 32 ? factors<Real, 32> : factors<Real, 64>;
    chosen(g, job, block, height, t, to);
}

}  // namespace
}  // namespace respike
