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
// With a stride of 2, every other column reaches two outputs, and those between them one. A kernel of one pixel needs no
// window.
//
// Where neurons only take what they get (`fuses`), a sum that is complete goes straight into its neurons, which fire at
// once, and spikes leave as frames.
#pragma once

#include "frames.hpp"
#include "room.hpp"

namespace respike {
namespace {

constexpr int AT_ONCE = 4;

// A map as it meets a tile of the population behind it, where its spikes are gathered.
template <class Real>
struct Gathering {
    const Source* source;
    int64_t width;     // columns that are looked at
    const char* bits;  // of the first pixel that the tile sees
    Real* nowhere;     // a row of sums that nobody wants
    char* silent;      // and of spikes

    Gathering(Room& room, const Source& s, const Job& job)
        : source(&s),
          width(s.stride_x == 1 ? job.columns + s.kernel_x - 1 - s.padding_x : s.stride_x * (job.columns - 1) + s.kernel_x),
          bits(nullptr) {
        const int64_t channels = job.channels > job.block ? job.channels : job.block;
        nowhere = room.take<Real>(job.columns * channels);
        silent = room.take<char>(job.columns * channels / 8);
    }

    // With a stride of 1, the window starts within the map.
    void meet(int64_t image, int64_t top) {
        const Source& s = *source;
        bits = s.frames.at(image, 0, 0, top * s.stride_y - s.padding_y, s.stride_x == 1 ? 0 : -s.padding_x);
    }

    const char* at(int t, int64_t y) const { return bits + t * source->frames.step + y * source->frames.row; }
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

  private:
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

// The spikes of a column, of SEEN rows of INPUTS channels. Those of an amplitude's bit b are added by several(input, b).
template <int INPUTS, int SEEN, bool GRADED, class One, class Several>
inline __attribute__((always_inline)) void visit(const char* column, const Frames& f, const One& one, const Several& several) {
    typedef typename Bits<INPUTS>::type Pixel;
    constexpr int EACH = WORD / INPUTS, NUMBERS = (SEEN + EACH - 1) / EACH;
#pragma GCC unroll 8
    for (int n = 0; n < NUMBERS; ++n) {  // EACH rows as one number
        constexpr int zeros = WORD + 1;
        const int left = SEEN - n * EACH, rows = left < EACH ? left : EACH, bits = rows * INPUTS;
        const auto number = [&](int b) __attribute__((always_inline)) {
            if (GRADED) {  // rows stand together
                const uint64_t all = *(const Word*)(column + b * f.plane + n * sizeof(Word));
                return bits < WORD ? all & ((uint64_t(1) << bits % WORD) - 1) : all;
            }
            uint64_t all = 0;
#pragma GCC unroll 4
            for (int e = 0; e < rows; ++e) all |= uint64_t(*(const Pixel*)(column + (n * EACH + e) * f.row)) << e * INPUTS % WORD;
            return all;
        };
        if (GRADED && bits * MOST_GATHERED_BITS <= WORD) {  // all bits of few amplitudes as one number
            uint64_t all = number(0);
#pragma GCC unroll 4
            for (int b = 1; b < MOST_GATHERED_BITS; ++b) all |= number(b) << b * bits % WORD;
            for (; all; all &= all - 1) several(n * zeros + first(all) % bits, first(all) / bits);
            continue;
        }
        uint64_t single = number(0);
        do {
#pragma GCC unroll 8
            for (int k = 0; k < AT_ONCE; ++k, single &= single - 1) one(n * zeros + first_or_none(single));
        } while (single);
        if (GRADED)
#pragma GCC unroll 4
            for (int b = 1; b < MOST_GATHERED_BITS; ++b)
                for (uint64_t more = number(b); more; more &= more - 1) several(n * zeros + first(more), b);
    }
}

// One step of STRIP rows of outputs, CHANNELS of their channels. A column of inputs has INPUTS channels, and reaches TAPS
// outputs.
template <class Real, int STRIP, int TAPS, int INPUTS, int CHANNELS, bool GRADED>
void slide(const Gathering<Real>& g, const Job& job, const char* map, const Real* weight, const Outputs<Real>& out) {
    using vec = typename Lanes<Real>::vec;
    constexpr int L = lanes<Real>, V = CHANNELS / L, ROW = STRIP * TAPS * CHANNELS;
    const int64_t before = TAPS - 1 - g.source->padding_x, width = g.width, columns = job.columns;
    const Frames frames = g.source->frames;
    vec sum[STRIP][TAPS][V];
    const auto start = [&](int o, int k, int64_t from) __attribute__((always_inline)) {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[o][k][v] = *(const vec*)(out.from[o] + from + v * L);
    };
    const auto one = [&](int at) __attribute__((always_inline)) {
        const Real* taps = weight + at * ROW;
#pragma GCC unroll 16
        for (int o = 0; o < STRIP; ++o)
#pragma GCC unroll 16
            for (int k = 0; k < TAPS; ++k)
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) sum[o][k][v] += *(const vec*)(taps + (o * TAPS + k) * CHANNELS + v * L);
    };
    static const Real WORTH[] = {1, 2, 4};
    const auto several = [&](int at, int bit) __attribute__((always_inline)) {
        const Real* taps = weight + at * ROW;
        const vec each = vec{} + WORTH[bit];
#pragma GCC unroll 16
        for (int o = 0; o < STRIP; ++o)
#pragma GCC unroll 16
            for (int k = 0; k < TAPS; ++k)
#pragma GCC unroll 16
                for (int v = 0; v < V; ++v) sum[o][k][v] += *(const vec*)(taps + (o * TAPS + k) * CHANNELS + v * L) * each;
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
    for (int64_t x = 0; x < width; ++x, map += GRADED ? frames.pixel : INPUTS / 8) {
        visit<INPUTS, STRIP + TAPS - 1, GRADED>(map, frames, one, several);
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
    const auto never = [](int, int) {};
    Place place{};
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) done[v] = vec{};
    for (int64_t x = 0; x <= columns; ++x) {
        const Real* from = out.from[0] + (x < columns ? x : 0) * out.from_next;
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[v] = *(const vec*)(from + v * L);
        visit<INPUTS, 3, false>(map, frames, ends, never);
        if (x) {
            finish<Real, CHANNELS>(out, 0, place, done);
            place.advance(out);
        }
        if (x == columns) return;
        map += INPUTS / 8;
        visit<INPUTS, 3, false>(map, frames, middle, never);
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
    const auto never = [](int, int) {};
    Place place{};
    for (int64_t x = 0; x < columns; ++x, map += next) {
#pragma GCC unroll 16
        for (int v = 0; v < V; ++v) sum[v] = *(const vec*)(out.from[0] + x * out.from_next + v * L);
        visit<INPUTS, 1, false>(map, frames, one, never);
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

    template <int STRIP, int TAPS, int INPUTS, int CHANNELS, bool GRADED>
    void rows() const {
        const Source& s = *g.source;
        constexpr int64_t weights = window_rows((STRIP + TAPS - 1) * INPUTS) * STRIP * TAPS * CHANNELS;
        const Real* weight = (const Real*)s.window + block * (job.block / CHANNELS) * weights;
        for (int64_t c = 0; c < job.block; c += CHANNELS, weight += weights)
            for (int64_t y = 0; y < height; y += STRIP) {
                const Outputs<Real> out = outputs(y, STRIP, c);
                const char* map = g.at(t, y * s.stride_y);
                if constexpr (TAPS == 1) {
                    point<Real, INPUTS, CHANNELS>(g, job, map, weight, out);
                    continue;
                }
                if constexpr (TAPS == 3 && STRIP == 1 && !GRADED)
                    if (s.stride_x == 2) {
                        stride<Real, INPUTS, CHANNELS>(g, job, map, weight, out);
                        continue;
                    }
                if constexpr (TAPS > 1) slide<Real, STRIP, TAPS, INPUTS, CHANNELS, GRADED>(g, job, map, weight, out);
            }
    }

    template <int STRIP, int TAPS, int CHANNELS, bool GRADED>
    void rows() const {
        if (g.source->channels == 16) return rows<STRIP, TAPS, 16, CHANNELS, GRADED>();
        if (g.source->channels == 32) return rows<STRIP, TAPS, 32, CHANNELS, GRADED>();
        rows<STRIP, TAPS, 64, CHANNELS, GRADED>();
    }

    template <bool GRADED>
    void rows() const {
        const Source& s = *g.source;
        if (s.kernel_x == 5) return rows<1, 5, 16, GRADED>();
        if (s.strip == 2) return rows<2, 3, 16, GRADED>();
        rows<1, 3, 32, GRADED>();
    }

    void run() const {
        if (g.source->kernel_x == 1) return rows<1, 1, 32, false>();
        g.source->spikes.bits > 1 ? rows<true>() : rows<false>();
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
