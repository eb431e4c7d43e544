// Adds up what the spikes of a list deliver: matrices and convolutions.
#pragma once

#include "lanes.hpp"
#include "room.hpp"

namespace respike {
namespace {

// `count` is a multiple of PADDING: 64 bytes or more at a time.
template <class Real, bool GRADED>
inline void add(Real* to, const Real* row, Real amplitude, int64_t count) {
    using vec = typename Lanes<Real>::vec;
    constexpr int V = PADDING / lanes<Real>;
    for (int64_t n = 0; n < count; n += PADDING)
        for (int v = 0; v < V; ++v) {
            const vec value = ((const vec*)(row + n))[v];
            ((vec*)(to + n))[v] += GRADED ? value * amplitude : value;
        }
}

// All steps of a block of neurons that read whole vectors: to[step][BLOCK].
template <class Real, int BLOCK, bool GRADED>
void matrix(const Lists& lists, int64_t image, int steps, const Real* weight, Real* to) {
    using vec = typename Lanes<Real>::vec;
    constexpr int V = BLOCK / lanes<Real>;
    const uint32_t* where = lists.where + lists.image[image];
    const Real* amplitude = GRADED ? (const Real*)lists.amplitude + lists.image[image] : nullptr;
    const uint32_t* begin = lists.begin + image * (lists.groups * steps + 1);
    for (int64_t group = 0; group < lists.groups; ++group, weight += lists.size * BLOCK)
        for (int t = 0; t < steps; ++t, ++begin) {
            if (begin[0] == begin[1]) continue;
            vec sum[V];
            vec* place = (vec*)(to + t * BLOCK);
            for (int v = 0; v < V; ++v) sum[v] = place[v];
            for (uint32_t k = begin[0]; k < begin[1]; ++k) {
                const vec* row = (const vec*)(weight + int64_t(where[k]) * BLOCK);
                for (int v = 0; v < V; ++v) sum[v] += GRADED ? row[v] * amplitude[k] : row[v];
            }
            for (int v = 0; v < V; ++v) place[v] = sum[v];
        }
}

template <class Real, bool GRADED>
void matrix(const Lists& lists, int64_t image, int steps, const Real* weight, Real* to, int64_t block) {
    switch (block / PADDING) {
        case 1: return matrix<Real, PADDING, GRADED>(lists, image, steps, weight, to);
        case 2: return matrix<Real, 2 * PADDING, GRADED>(lists, image, steps, weight, to);
        case 3: return matrix<Real, 3 * PADDING, GRADED>(lists, image, steps, weight, to);
        default: return matrix<Real, MOST_MATRIX_BLOCK, GRADED>(lists, image, steps, weight, to);
    }
}

// Where a row of taps starts in a tile, and in the weights of one channel.
struct Taps {
    int64_t to, from;
};

// What of a row of taps falls on the tile, for one input column: `length` paddings.
struct Span {
    int64_t to, from, length;
};

// What all spikes of one step and row add to.
template <class Real>
struct Row {
    const Taps* lines;
    int count;
    const Real* weight;
    int64_t channel_size;
    const Span* spans;
    Real* to;
};

// Rows of taps of RUN spikes of one pixel, added up on the way through the tile. A row is LENGTH paddings long, or,
// where that is 0, as long as its span says.
template <class Real, bool GRADED, int LENGTH, int RUN>
inline void together(const uint32_t* where, const Real* amplitudes, const Row<Real>& rows, const Span& span) {
    using vec = typename Lanes<Real>::vec;
    const Real* own[RUN];
    vec amplitude[RUN];
    for (int r = 0; r < RUN; ++r) {
        own[r] = rows.weight + (where[r] & ((1u << COLUMN) - 1)) * rows.channel_size + span.from;
        if (GRADED) amplitude[r] = vec{} + amplitudes[r];
    }
    Real* to = rows.to + span.to;
    for (int i = 0; i < rows.count; ++i) {
        Real* row = to + rows.lines[i].to;
        const Real* from[RUN];
        for (int r = 0; r < RUN; ++r) from[r] = own[r] + rows.lines[i].from;
        for (int64_t n = 0; n < (LENGTH ? LENGTH : span.length) * PADDING; n += lanes<Real>) {
            vec sum = *(vec*)(row + n);
            for (int r = 0; r < RUN; ++r) {
                const vec value = *(const vec*)(from[r] + n);
                sum += GRADED ? value * amplitude[r] : value;
            }
            *(vec*)(row + n) = sum;
        }
    }
}

// One or two spikes: short, so that rows of known length gain.
template <class Real, bool GRADED, int RUN>
void few_together(const uint32_t* where, const Real* amplitudes, const Row<Real>& rows, const Span& span) {
    switch (span.length) {
        case 1: return together<Real, GRADED, 1, RUN>(where, amplitudes, rows, span);
        case 2: return together<Real, GRADED, 2, RUN>(where, amplitudes, rows, span);
        case 3: return together<Real, GRADED, 3, RUN>(where, amplitudes, rows, span);
        case 4: return together<Real, GRADED, 4, RUN>(where, amplitudes, rows, span);
        case 5: return together<Real, GRADED, 5, RUN>(where, amplitudes, rows, span);
        case 6: return together<Real, GRADED, 6, RUN>(where, amplitudes, rows, span);
        case 8: return together<Real, GRADED, 8, RUN>(where, amplitudes, rows, span);
        case 12: return together<Real, GRADED, 12, RUN>(where, amplitudes, rows, span);
        default: return together<Real, GRADED, 0, RUN>(where, amplitudes, rows, span);
    }
}

// More of them: not inlined, since they need all registers.
template <class Real, bool GRADED, int RUN>
__attribute__((noinline)) void many_together(const uint32_t* where, const Real* amplitudes, const Row<Real>& rows,
                                             const Span& span) {
    together<Real, GRADED, 0, RUN>(where, amplitudes, rows, span);
}

// All spikes of one step and row, those of one pixel together.
template <class Real, bool GRADED>
void spikes(const uint32_t* where, const Real* amplitudes, uint32_t first, uint32_t last, const Row<Real>& rows) {
    for (uint32_t k = first, run; k < last; k += run) {
        const uint32_t column = where[k] >> COLUMN;
        for (run = 1; run < 8 && k + run < last && where[k + run] >> COLUMN == column;) ++run;
        const Span& span = rows.spans[column];
        const Real* amplitude = GRADED ? amplitudes + k : nullptr;
        switch (run) {
            case 1: few_together<Real, GRADED, 1>(where + k, amplitude, rows, span); break;
            case 2: few_together<Real, GRADED, 2>(where + k, amplitude, rows, span); break;
            case 3: many_together<Real, GRADED, 3>(where + k, amplitude, rows, span); break;
            case 4: many_together<Real, GRADED, 4>(where + k, amplitude, rows, span); break;
            case 5: many_together<Real, GRADED, 5>(where + k, amplitude, rows, span); break;
            case 6: many_together<Real, GRADED, 6>(where + k, amplitude, rows, span); break;
            case 7: many_together<Real, GRADED, 7>(where + k, amplitude, rows, span); break;
            default: many_together<Real, GRADED, 8>(where + k, amplitude, rows, span);
        }
    }
}

// Which of `outputs` outputs from `first` on each tap of each input falls on; -1 where on none. table[input][tap].
void reach(int64_t inputs, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, int64_t first,
           int64_t outputs, int32_t* table) {
    for (int64_t input = 0; input < inputs; ++input)
        for (int64_t tap = 0; tap < kernel; ++tap) {
            const int64_t at = input + padding - tap * dilation, output = at / stride - first;
            table[input * kernel + tap] = at < 0 || at % stride || output < 0 || output >= outputs ? -1 : int32_t(output);
        }
}

int64_t taps_of(const Source& s, int64_t phase) {
    return phase < s.kernel_x ? (s.kernel_x - phase + s.stride_x - 1) / s.stride_x : 0;
}

// A map as it meets a tile of the population behind it.
template <class Real>
struct Meeting {
    const Source* source;
    int32_t *rows, *columns;   // [input][tap]: which row, which column of the tile
    Span* spans;               // [input column], where taps fall on neighbouring outputs
    int64_t low, high;         // the input rows that the tile can see
    int64_t width;             // floats of a tap
    const Real* weight;

    Meeting(Room& room, const Source& s)
        : source(&s), rows(room.take<int32_t>(s.rows * s.kernel_y)), columns(room.take<int32_t>(s.columns * s.kernel_x)),
          spans(room.take<Span>(s.columns)) {}

    // Fills the tables for the rows from `top` on.
    void meet(const Job& job, int64_t block, int64_t top, int64_t height) {
        const Source& s = *source;
        width = s.groups == 1 ? job.block : job.channels / s.groups;
        for (int64_t x = 0; x < s.columns; ++x) {
            // The taps that meet this column are every stride-th; they stand together, and lead to neighbouring outputs.
            const int64_t at = x + s.padding_x, phase = at % s.stride_x, taps = taps_of(s, phase);
            int64_t from = 0;
            for (int64_t other = 0; other < phase; ++other) from += taps_of(s, other);
            const int64_t ahead = taps - 1 - at / s.stride_x;  // taps before the tile's first column
            const int64_t left = ahead > 0 ? ahead : 0, end = job.columns + ahead, right = end < taps ? end : taps;
            spans[x] = {(left - ahead) * width, (from + left) * width, left < right ? (right - left) * width / PADDING : 0};
        }
        reach(s.rows, s.kernel_y, s.stride_y, s.padding_y, s.dilation_y, top, height, rows);
        reach(s.columns, s.kernel_x, s.stride_x, s.padding_x, s.dilation_x, 0, job.columns, columns);
        const int64_t first = top * s.stride_y - s.padding_y;
        const int64_t end = first + (height - 1) * s.stride_y + (s.kernel_y - 1) * s.dilation_y + 1;
        low = first < 0 ? 0 : first;
        high = end > s.rows ? s.rows : end;
        weight = (const Real*)s.weight + (s.groups == 1 ? block * s.channels * s.kernel_y * s.kernel_x * width : 0);
    }
};

// One spike for each neuron: a factor for each channel, as behind a residual connection.
template <class Real, bool GRADED>
void factors(const Meeting<Real>& m, const uint32_t* where, const Real* amplitudes, uint32_t first, uint32_t last,
             int64_t from, int64_t block, Real* to) {
    for (uint32_t k = first; k < last; ++k) {
        const int64_t channel = where[k] & ((1u << COLUMN) - 1), at = channel - from, column = m.columns[where[k] >> COLUMN];
        if (at < 0 || at >= block || column < 0) continue;
        to[column * block + at] += GRADED ? m.weight[channel] * amplitudes[k] : m.weight[channel];
    }
}

// One step of a tile: to[row][column][block].
template <class Real, bool GRADED>
void convolution(const Meeting<Real>& m, const Job& job, int64_t image, int64_t block, int t, Real* to) {
    const Source& s = *m.source;
    const int64_t B = job.block, width = m.width, row = s.kernel_x * width, channel_size = s.kernel_y * row;
    const int64_t line = job.columns * B, in_group = s.channels / s.groups;
    const uint32_t* where = s.lists.where + s.lists.image[image];
    const Real* amplitudes = GRADED ? (const Real*)s.lists.amplitude + s.lists.image[image] : nullptr;
    const uint32_t* begin = s.lists.begin + image * (s.lists.groups * job.steps + 1) + t;
    Taps lines[MOST_KERNEL_ROWS];
    for (int64_t y = m.low; y < m.high; ++y) {
        const uint32_t first = begin[y * job.steps], last = begin[y * job.steps + 1];
        if (first == last) continue;
        int count = 0;
        for (int64_t ky = 0; ky < s.kernel_y; ++ky)
            if (const int64_t at = m.rows[y * s.kernel_y + ky]; at >= 0) lines[count++] = {at * line, ky * row};
        if (contiguous(s)) {
            spikes<Real, GRADED>(where, amplitudes, first, last, {lines, count, m.weight, channel_size, m.spans, to});
            continue;
        }
        if (width == 1 && s.kernel_y * s.kernel_x == 1 && in_group == 1) {
            if (count) factors<Real, GRADED>(m, where, amplitudes, first, last, block * B, B, to + lines[0].to);
            continue;
        }
        for (uint32_t k = first; k < last; ++k) {
            const int64_t channel = where[k] & ((1u << COLUMN) - 1);
            const Real amplitude = GRADED ? amplitudes[k] : Real(1);
            const Real* own = m.weight + channel * channel_size;
            const int32_t* place = m.columns + (where[k] >> COLUMN) * s.kernel_x;
            int64_t shift = 0, from = 0, until = width;  // which of the group's channels lie in this block, and where
            if (s.groups > 1) {
                shift = channel / in_group * width - block * B;
                from = shift < 0 ? -shift : 0;
                until = shift + width > B ? B - shift : width;
            }
            for (int i = 0; i < count && from < until; ++i)
                for (int64_t kx = 0; kx < s.kernel_x; ++kx) {
                    if (place[kx] < 0) continue;
                    Real* pixel = to + lines[i].to + place[kx] * B;
                    const Real* tap = own + lines[i].from + (s.kernel_x - 1 - kx) * width;
                    if (s.groups == 1)
                        add<Real, GRADED>(pixel, tap, amplitude, B);
                    else
                        for (int64_t c = from; c < until; ++c) pixel[shift + c] += amplitude * tap[c];
                }
        }
    }
}

}  // namespace
}  // namespace respike
