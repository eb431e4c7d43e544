// Compiled once per instruction set: RESPIKE_SET names the table, RESPIKE_VECTOR the bytes of a vector.
// Nothing of the standard library is instantiated here, so that no other object can pick up this one's instructions.
#include "kernels.hpp"

namespace respike {
namespace {

template <class Real>
struct Lanes;
template <>
struct Lanes<float> {
    typedef float vec __attribute__((vector_size(RESPIKE_VECTOR), aligned(4), may_alias));
    typedef int32_t mask __attribute__((vector_size(RESPIKE_VECTOR), aligned(4), may_alias));
    typedef int32_t integer;
};
template <>
struct Lanes<double> {
    typedef double vec __attribute__((vector_size(RESPIKE_VECTOR), aligned(8), may_alias));
    typedef int64_t mask __attribute__((vector_size(RESPIKE_VECTOR), aligned(8), may_alias));
    typedef int64_t integer;
};

template <class Real>
constexpr int lanes = RESPIKE_VECTOR / sizeof(Real);
template <class Real>
constexpr int chunk = 8 * sizeof(Real);  // as many steps as a lane has bits

typedef uint64_t Words __attribute__((vector_size(RESPIKE_VECTOR), aligned(8), may_alias));

int first(uint64_t word) { return __builtin_ctzll(word); }

// ---- from words to lists ---------------------------------------------------------------------------------------

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
        const int64_t blocks = (size + 63) / 64, padded = blocks * 64;
        uint64_t* any = scratch + planes * padded;
        for (int64_t n = 0; n < padded; ++n) any[n] = 0;
        for (int p = 0; p < planes; ++p) {
            const uint64_t* from = s.words + p * plane + image * s.neurons + start;
            uint64_t* to = scratch + p * padded;
            for (int64_t n = 0; n < size; ++n) to[n] = from[n];
            for (int64_t n = size; n < padded; ++n) to[n] = 0;
            for (int64_t b = 0; b < padded; b += 64) {
                uint64_t spikes = 0;
                for (int64_t n = b; n < b + 64; ++n) spikes |= to[n];
                if (!spikes) continue;
                transpose(to + b);
                for (int64_t n = b; n < b + 64; ++n) any[n] |= to[n];
            }
        }
        for (int t = 0; t < steps; ++t) {
            *begin++ = position;
            for (int64_t b = 0; b < blocks; ++b) {
                const uint64_t* bits = scratch + b * 64 + t;
                const uint32_t* name = names + b * 64;
                uint64_t word = any[b * 64 + t];
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

// ---- accumulating ----------------------------------------------------------------------------------------------

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
    switch (block) {
        case 16: return matrix<Real, 16, GRADED>(lists, image, steps, weight, to);
        case 32: return matrix<Real, 32, GRADED>(lists, image, steps, weight, to);
        case 48: return matrix<Real, 48, GRADED>(lists, image, steps, weight, to);
        default: return matrix<Real, 64, GRADED>(lists, image, steps, weight, to);
    }
}

// Where a row of taps starts in a tile, and in the weights of one channel.
struct Line {
    int64_t to, from;
};

// What of a row of taps falls on the tile, for one input column: `length` paddings.
struct Span {
    int64_t to, from, length;
};

// What all spikes of one step and row add to.
template <class Real>
struct Row {
    const Line* lines;
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

    // Returns what is left of the scratch memory.
    char* meet(const Source& s, const Job& job, int64_t block, int64_t top, int64_t height, char* scratch) {
        source = &s;
        width = s.groups == 1 ? job.block : job.channels / s.groups;
        spans = (Span*)scratch;
        for (int64_t x = 0; x < s.columns; ++x) {
            // The taps that meet this column are every stride-th; they stand together, and lead to neighbouring outputs.
            const int64_t at = x + s.padding_x, phase = at % s.stride_x, taps = taps_of(s, phase);
            int64_t from = 0;
            for (int64_t other = 0; other < phase; ++other) from += taps_of(s, other);
            const int64_t ahead = taps - 1 - at / s.stride_x;  // taps before the tile's first column
            const int64_t left = ahead > 0 ? ahead : 0, end = job.columns + ahead, right = end < taps ? end : taps;
            spans[x] = {(left - ahead) * width, (from + left) * width, left < right ? (right - left) * width / PADDING : 0};
        }
        rows = (int32_t*)(spans + s.columns);
        columns = rows + s.rows * s.kernel_y;
        reach(s.rows, s.kernel_y, s.stride_y, s.padding_y, s.dilation_y, top, height, rows);
        reach(s.columns, s.kernel_x, s.stride_x, s.padding_x, s.dilation_x, 0, job.columns, columns);
        const int64_t first = top * s.stride_y - s.padding_y;
        const int64_t end = first + (height - 1) * s.stride_y + (s.kernel_y - 1) * s.dilation_y + 1;
        low = first < 0 ? 0 : first;
        high = end > s.rows ? s.rows : end;
        weight = (const Real*)s.weight + (s.groups == 1 ? block * s.channels * s.kernel_y * s.kernel_x * width : 0);
        const int64_t taken = int64_t(sizeof(Span)) * s.columns + 4 * (s.rows * s.kernel_y + s.columns * s.kernel_x);
        return scratch + (taken + 7) / 8 * 8;
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
    Line lines[MOST_KERNEL_ROWS];
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

// ---- firing ----------------------------------------------------------------------------------------------------

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
        const integer bit = integer(typename Lanes<Real>::integer(1)) << (t % chunk<Real>);
        for (int i = 0; i < V; ++i) {
            v[i] += ((const vec*)(current + t * stride))[i];
            const mask fired = above ? v[i] > theta[i] : v[i] >= theta[i];
            ups[i] |= fired & bit;
            if (KIND == Dynamics::tracer) {
                const mask recalled = (v[i] < Real(0)) & (sent[i] > Real(0));
                downs[i] |= recalled & bit;
                const vec one = vec{} + Real(1);
                const vec net = (vec)((mask)one & fired) - (vec)((mask)one & recalled);
                v[i] -= theta[i] * net;
                sent[i] += net;
            } else if (KIND == Dynamics::subtract_at || KIND == Dynamics::subtract_above) {
                v[i] -= (vec)((mask)theta[i] & fired);
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

template <class Real>
struct Tile {
    Real *current, *potential, *total, *threshold, *base;
    typename Lanes<Real>::integer *up, *down;  // [bits][chunks][size], [chunks][size]
    int64_t size, pixels, first_pixel, first_channel, channels;
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
    constexpr int wide = KIND == Dynamics::tracer ? 1 : 4;
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
    const int64_t plane = (job.steps + chunk<Real> - 1) / chunk<Real> * tile.size;
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
    const typename Lanes<Real>::integer bit = typename Lanes<Real>::integer(1) << (t % chunk<Real>);
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
                ((mask*)(up + n))[i] |= fired & bit;
                if (KIND == Dynamics::subtract_at || KIND == Dynamics::subtract_above) {
                    v -= (vec)((mask)theta[i] & fired);
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

// ---- a tile of a population, through all steps -----------------------------------------------------------------

// Between a tile [pixel][block] and values [pixel][channel], a channel at a time where `pixel_stride` is 0.
template <class Real>
void gather(const Job& job, const Tile<Real>& tile, Real* to, const Real* values, int64_t pixel_stride, Real elsewhere) {
    const Real* from = values + tile.first_pixel * pixel_stride + tile.first_channel;
    for (int64_t p = 0; p < tile.pixels; ++p, to += job.block, from += pixel_stride) {
        for (int64_t c = 0; c < tile.channels; ++c) to[c] = from[c];
        for (int64_t c = tile.channels; c < job.block; ++c) to[c] = elsewhere;
    }
}

template <class Real>
void scatter(const Job& job, const Tile<Real>& tile, const Real* from, Real* values) {
    Real* to = values + tile.first_pixel * job.channels + tile.first_channel;
    for (int64_t p = 0; p < tile.pixels; ++p, to += job.channels, from += job.block)
        for (int64_t c = 0; c < tile.channels; ++c) to[c] = from[c];
}

template <class Real>
void words(const Job& job, const Tile<Real>& tile, const typename Lanes<Real>::integer* bits, uint64_t* values) {
    const int chunks = (job.steps + chunk<Real> - 1) / chunk<Real>;
    for (int64_t p = 0; p < tile.pixels; ++p) {
        uint64_t* to = values + (tile.first_pixel + p) * job.channels + tile.first_channel;
        const typename Lanes<Real>::integer* from = bits + p * job.block;
        if (sizeof(Real) == 4 && chunks == 2)
            for (int64_t c = 0; c < tile.channels; ++c)
                to[c] = uint64_t(uint32_t(from[c])) | uint64_t(uint32_t(from[tile.size + c])) << 32;
        else if (sizeof(Real) == 4)
            for (int64_t c = 0; c < tile.channels; ++c) to[c] = uint32_t(from[c]);
        else
            for (int64_t c = 0; c < tile.channels; ++c) to[c] = uint64_t(from[c]);
    }
}

template <class Real>
void rest(const Job& job, const Tile<Real>& tile, int64_t image, int t, Real* to) {
    if (job.rest)
        gather<Real>(job, tile, to, (const Real*)job.rest + t * job.rest_step + image * job.rest_image, job.rest_pixel,
                     Real(0));
    else
        for (int64_t n = 0; n < tile.size; ++n) to[n] = 0;
}

template <class Real>
void emit(const Job& job, const Tile<Real>& tile, int64_t image, int t, const Real* current) {
    const int64_t neurons = job.rows * job.columns * job.channels;
    scatter<Real>(job, tile, current, (Real*)job.out + (t * job.images + image) * neurons);
}

// All steps of a tile that convolutions lead to.
template <class Real>
void convolutions(const Job& job, const Tile<Real>& tile, int64_t block, int64_t image, int64_t top, int64_t height,
                  char* scratch) {
    auto* meetings = (Meeting<Real>*)scratch;
    char* tables = (char*)(meetings + job.count);
    for (int i = 0; i < job.count; ++i) tables = meetings[i].meet(job.sources[i], job, block, top, height, tables);
    const bool steady = !job.rest_step && !job.out && job.dynamics < Dynamics::tracer;  // `step` restores the current
    const bool same = !job.threshold_pixel && !job.rest_pixel;
    if (steady) {
        rest<Real>(job, tile, image, 0, tile.base);
        rest<Real>(job, tile, image, 0, tile.current);
    }
    for (int t = 0; t < job.steps; ++t) {
        if (!steady) rest<Real>(job, tile, image, t, tile.current);
        for (int i = 0; i < job.count; ++i) {
            if (meetings[i].source->lists.amplitude)
                convolution<Real, true>(meetings[i], job, image, block, t, tile.current);
            else
                convolution<Real, false>(meetings[i], job, image, block, t, tile.current);
        }
        if (job.out)
            emit<Real>(job, tile, image, t, tile.current);
        else if (!steady)
            fire<Real>(job, tile, 0, t, t + 1);
        else if (same)
            step<Real, true>(job, tile, t);
        else
            step<Real, false>(job, tile, t);
    }
}

template <class Real>
void run(const Job& job, int64_t block, int64_t image, int64_t number, char* scratch) {
    const int64_t top = number * job.tile_rows;
    const int64_t height = top + job.tile_rows > job.rows ? job.rows - top : job.tile_rows;
    const int64_t neurons = job.rows * job.columns * job.channels;
    const int chunks = (job.steps + chunk<Real> - 1) / chunk<Real>;
    const int64_t whole = job.tile_rows * job.columns * job.block;
    Tile<Real> tile;
    tile.first_channel = block * job.block;
    tile.channels = tile.first_channel + job.block > job.channels ? job.channels - tile.first_channel : job.block;
    tile.first_pixel = top * job.columns;
    tile.pixels = height * job.columns;
    tile.size = tile.pixels * job.block;
    tile.potential = (Real*)scratch;
    tile.total = tile.potential + whole;
    tile.threshold = tile.total + whole;
    tile.base = tile.threshold + whole;
    tile.up = (typename Lanes<Real>::integer*)(tile.base + whole);
    tile.down = tile.up + job.bits * chunks * whole;
    tile.current = (Real*)(tile.down + chunks * whole);
    if (!job.out) {
        const Real never = Real(__builtin_huge_val());
        gather<Real>(job, tile, tile.potential, (const Real*)job.potential + image * neurons, job.channels, Real(0));
        gather<Real>(job, tile, tile.threshold, (const Real*)job.threshold, job.threshold_pixel, never);
        if (job.dynamics == Dynamics::tracer)
            gather<Real>(job, tile, tile.total, (const Real*)job.total + image * neurons, job.channels, Real(0));
        for (int64_t n = 0; n < job.bits * chunks * tile.size; ++n) tile.up[n] = 0;
        for (int64_t n = 0; n < chunks * tile.size; ++n) tile.down[n] = 0;
    }
    if (!job.count && !job.rest_step && !job.out) {  // a constant current
        rest<Real>(job, tile, image, 0, tile.current);
        fire<Real>(job, tile, 0, 0, job.steps);
    } else if (job.flat) {
        for (int t = 0; t < job.steps; ++t) rest<Real>(job, tile, image, t, tile.current + t * tile.size);
        for (int i = 0; i < job.count; ++i) {
            const Source& s = job.sources[i];
            const Real* weight = (const Real*)s.weight + block * s.channels * job.block;
            if (s.lists.amplitude)
                matrix<Real, true>(s.lists, image, job.steps, weight, tile.current, job.block);
            else
                matrix<Real, false>(s.lists, image, job.steps, weight, tile.current, job.block);
        }
        if (job.out)
            for (int t = 0; t < job.steps; ++t) emit<Real>(job, tile, image, t, tile.current + t * tile.size);
        else
            fire<Real>(job, tile, tile.size, 0, job.steps);
    } else {
        convolutions<Real>(job, tile, block, image, top, height, (char*)(tile.current + whole));
    }
    if (job.out) return;
    scatter<Real>(job, tile, tile.potential, (Real*)job.potential + image * neurons);
    for (int k = 0; k < job.bits; ++k)
        words<Real>(job, tile, tile.up + k * chunks * tile.size, job.up + (k * job.images + image) * neurons);
    if (job.dynamics == Dynamics::tracer) {
        scatter<Real>(job, tile, tile.total, (Real*)job.total + image * neurons);
        words<Real>(job, tile, tile.down, job.down + image * neurons);
    }
}

// ---- few-spikes neurons ------------------------------------------------------------------------------------------

// What the steps compare with, take off and deliver, for `lanes` neurons.
template <class Real>
struct Coefficients {
    typename Lanes<Real>::vec bounds[MOST_WINDOW], resets[MOST_WINDOW], values[MOST_WINDOW];

    void set(const Few& f, typename Lanes<Real>::vec theta) {
        for (int t = 0; t < f.steps; ++t) {
            bounds[t] = theta * Real(f.thresholds[t]);
            resets[t] = theta * Real(f.resets[t]);
            values[t] = typename Lanes<Real>::vec{} + Real(f.values[t]);
        }
    }
};

// The steps of V vectors of neurons; `bits` says which have fired, step t in bit t.
template <class Real, bool ABOVE, int V>
inline void few(const Coefficients<Real>& c, int steps, typename Lanes<Real>::vec* v, typename Lanes<Real>::vec* delivered,
                typename Lanes<Real>::mask* bits) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    for (int i = 0; i < V; ++i) delivered[i] = vec{}, bits[i] = mask{};
    for (int t = 0; t < steps; ++t) {
        const mask bit = mask{} + (typename Lanes<Real>::integer(1) << t);
        for (int i = 0; i < V; ++i) {
            const mask fired = ABOVE ? v[i] > c.bounds[t] : v[i] >= c.bounds[t];
            v[i] -= (vec)((mask)c.resets[t] & fired);
            delivered[i] += (vec)((mask)c.values[t] & fired);
            bits[i] |= fired & bit;
        }
    }
}

template <class Real, bool ABOVE>
void few(const Few& f, int64_t image) {
    using vec = typename Lanes<Real>::vec;
    using mask = typename Lanes<Real>::mask;
    typedef uint64_t wide __attribute__((vector_size(8 * lanes<Real>), aligned(8), may_alias));
    constexpr int L = lanes<Real>, V = 4;
    Coefficients<Real> c;
    vec v[V], out[V];
    mask bits[V];
    for (int64_t g = 0; g < f.groups; ++g) {
        const int64_t size = f.neurons / f.groups, start = image * f.neurons + g * size;
        const Real* current = (const Real*)f.current + start;
        Real* delivered = (Real*)f.delivered + start;
        Real* potential = f.potential ? (Real*)f.potential + start : nullptr;
        uint64_t* words = f.words ? f.words + start : nullptr;
        const vec offset = vec{} + ((const Real*)f.offset)[g], value = vec{} + ((const Real*)f.value)[g];
        c.set(f, vec{} + ((const Real*)f.threshold)[g]);
        int64_t n = 0;
        for (; n + V * L <= size; n += V * L) {
            for (int i = 0; i < V; ++i) v[i] = ((const vec*)(current + n))[i] + offset;
            few<Real, ABOVE, V>(c, f.steps, v, out, bits);
            for (int i = 0; i < V; ++i) {
                ((vec*)(delivered + n))[i] = out[i] * value;
                if (potential) ((vec*)(potential + n))[i] = v[i];
                if (words) ((wide*)(words + n))[i] = __builtin_convertvector(bits[i], wide);
            }
        }
        for (; n < size; n += L) {
            const int count = size - n < L ? int(size - n) : L;
            v[0] = offset;
            for (int i = 0; i < count; ++i) v[0][i] += current[n + i];
            few<Real, ABOVE, 1>(c, f.steps, v, out, bits);
            out[0] *= value;
            for (int i = 0; i < count; ++i) {
                delivered[n + i] = out[0][i];
                if (potential) potential[n + i] = v[0][i];
                if (words) words[n + i] = uint64_t(bits[0][i]);
            }
        }
    }
}

template <class Real>
void few(const Few& f, int64_t image) {
    f.above ? few<Real, true>(f, image) : few<Real, false>(f, image);
}

// ---- between words and values ----------------------------------------------------------------------------------

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

// ---- counting --------------------------------------------------------------------------------------------------

int64_t count(const Spikes& s, int64_t image) {
    const uint64_t* words = s.words + image * s.neurons;
    int64_t sum = 0;
    for (int64_t n = 0; n < s.neurons; ++n) {
        uint64_t any = words[n];
        for (int p = 1; p < s.signs * s.bits; ++p) any |= words[p * s.images * s.neurons + n];
        sum += __builtin_popcountll(any);
    }
    return sum;
}

template <class Real>
void add_counts(const Spikes& s, Real* to) {
    const int64_t plane = s.images * s.neurons;
    for (int bit = 0; bit < s.bits; ++bit) {
        const uint64_t *up = s.words + bit * plane, *down = up + s.bits * plane;
        for (int64_t n = 0; n < plane; ++n) {
            int64_t net = __builtin_popcountll(up[n]);
            if (s.signs == 2) net -= __builtin_popcountll(down[n]);
            to[n] += Real(net * (int64_t(1) << bit));
        }
    }
}

// A full adder for each bit: what is carried out of sum + a + b.
inline Words carry(Words& sum, Words a, Words b) {
    const Words either = sum ^ a, both = sum & a;
    sum = either ^ b;
    return both | (either & b);
}

// Adds words to 64 binary counters that lie side by side: bit t of planes[k] is bit k of counter t. Eight vectors at a
// time go through a tree of adders, of which one carry is left.
void add_up(const uint64_t* words, int64_t count, uint64_t* planes) {
    constexpr int width = RESPIKE_VECTOR / 8, places = 12;
    const auto ripple = [&](uint64_t word, int place) {
        for (; word; ++place) {
            const uint64_t both = planes[place] & word;
            planes[place] ^= word;
            word = both;
        }
    };
    int64_t n = 0;
    while (n + 8 * width <= count) {
        Words sums[places] = {};
        const int64_t most = n + int64_t(width) * ((1 << places) - 8), end = most < count ? most : count;
        for (; n + 8 * width <= end; n += 8 * width) {
            const Words* w = (const Words*)(words + n);
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
    for (; n < count; ++n) ripple(words[n], 0);
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

extern const Set RESPIKE_SET;
const Set RESPIKE_SET = {
    {sort<float>, run<float>, decode<float>, encode<float>, add_counts<float>, few<float>},
    {sort<double>, run<double>, decode<double>, encode<double>, add_counts<double>, few<double>},
    pool,
    count,
    add_up,
};

}  // namespace respike
