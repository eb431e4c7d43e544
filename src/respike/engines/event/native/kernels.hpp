// The kernels of the event engine, and what they are given. kernels.cpp is compiled once per instruction set.
//
// Words. Bit t of a neuron's word is its spike in step t of a chunk of at most 64 steps. Neurons lie as
// [image][row][column][channel]. A spike that stands for several (behind pooling, of burst neurons) is a binary number
// over several planes of words; signed spikes have planes for -1 behind those for +1.
//
// Lists. The next layer asks for spikes by step, not by neuron, so words are sorted once into lists (lists.hpp):
//
//     words of a row, bit by bit           lists of the row, one behind the other
//                   step 0 1 2 3
//     column 0, channel 0  1 . . 1         step 0: (0, 0) (1, 1)
//     column 0, channel 1  . . . .         step 1: (1, 1)
//     column 1, channel 0  . . 1 1         step 2: (1, 0)
//     column 1, channel 1  1 1 . .         step 3: (0, 0) (1, 0)
//
// Silent neurons are left out first. Where those that are left send few spikes, each spike goes to its list by itself;
// else 64 words at a time are turned, and read step by step.
//
// Tiles. A worker takes a tile of the population behind the map: some rows of one image, and a block of its channels, so
// few that their potentials and currents stay in the first cache. It runs all steps of the chunk before it takes the
// next tile (tiles.hpp). In each step the lists of all input rows that the tile can see add to its currents
// (currents.hpp), then its neurons integrate and fire (firing.hpp).
//
// Spans. A spike of a convolution adds, for each row of the kernel, one row of taps. With stride 1 these fall on
// neighbouring pixels, all channels of the block side by side: one run of memory in the tile and one in the weights,
// whose columns are stored last first. At the border, the span of an input column says which part of the run counts.
// With a larger stride, those taps that meet a column are every stride-th, so they are stored together.
//
//                    input row y, step t               tile of currents, block of 16 channels
//     x     0  1  2  3  4                          ---+--------+--------+--------+---
//              *                    row y - 1         | tap 2  | tap 1  | tap 0  |        each box: 16 channels
//           one spike, kernel 3x3   row y             | tap 2  | tap 1  | tap 0  |        added by whole vectors
//                                   row y + 1         | tap 2  | tap 1  | tap 0  |
//                                                  ---+--------+--------+--------+---
//                                            column x    0        1        2
//
// Windows. The spikes of an active image through a small kernel are not sorted into such lists but gathered (gather.hpp):
// each output's current is added up in registers while a window slides along the row, so that nothing is stored for each
// spike. Most neurons take that sum from the registers and fire at once.
//
// Frames. What windows read, and what most neurons behind convolutions or on dense currents send, are frames: a picture of
// bits for each step (frames.hpp). Lists are made from them, too. Spikes between such layers never become words, unless
// somebody asks for those.
//
// Order. Every current is the sum of the rest, then of each source's spikes by input row, column and channel (gathered: by
// column and row, then 16 channels at a time, bit by bit), one after the other, and no multiply-adds are fused. Where neurons
// take a gathered sum at once, its source comes last, but for a lone residual. An image's own spikes decide whether they are
// gathered. So results do not depend on threads, batches, tiles or the processor.
#pragma once

#include <cstdint>

namespace respike {

constexpr int WORD = 64;             // bits of a word
constexpr int MOST_STEPS = WORD;     // of a chunk
constexpr int MOST_BITS = 24;        // of an amplitude: what a float32 holds exactly
constexpr int MOST_BURST_BITS = 8;   // of an amplitude of burst neurons
constexpr int MOST_WINDOW = 24;      // steps of a few-spikes neuron
constexpr int64_t MOST_TARGETS = INT32_MAX / 4;  // of a few-spikes neuron: those of four are added up in 32 bits
constexpr int PLANES = 48;           // bits of a number of spikes
constexpr int AHEAD = 4;             // an image's list has room for so many more behind its end
constexpr int64_t FEW_SPIKES = 2;    // of a neuron that sends any: below, lists are made spike by spike
constexpr int MOST_LANES = 16;       // floats of a vector
constexpr int PADDING = 16;          // blocks of channels are multiples of so many, so that no vector is cut
constexpr int MOST_MATRIX_BLOCK = 4 * PADDING;
constexpr int IMAGES_TOGETHER = 32;      // dense ones, that go through a matrix together
constexpr int64_t ROWS_TOGETHER = 96;    // of a block of its weights, which then stay in the first cache
constexpr int MARGIN = 3;            // silent pixels on each side of a frame: a window's padding, and a row that is not there
constexpr int MOST_GATHERED_PADDING = MARGIN - 1;
constexpr int64_t TILE_BYTES = 8192; // of a tile's potentials: a quarter of a first-level cache of 32 KB
constexpr int MOST_GATHERED_BITS = 3;    // of an amplitude
constexpr int64_t MOST_PLACES = 1 << 16; // of the weights that a tile's spikes are listed with
constexpr double GATHERED_ACTIVITY = 0.01;  // spikes per neuron and step from which on they are gathered
constexpr double GRADED_ACTIVITY = 0.0005;  // the same of those with amplitudes: for lists they are added up and made words
constexpr int64_t ROWS_IN_CACHE = 64;    // of a matrix's block, at a time
constexpr double REUSED_ACTIVITY = 0.06; // spikes per neuron and step from which on rows in the cache are used again

// A cache line.
struct alignas(64) Line {
    char bytes[64];
};

enum class Dynamics : int { subtract_at, subtract_above, to_value_at, to_value_above, tracer, burst };

// Planes of words, [signs][bits][images][neurons].
struct Spikes {
    const uint64_t* words;
    int signs, bits;
    int64_t images, neurons;
};

// The same spikes as pictures of bits, one for each step: [image][step][row][column][channel], with silent pixels around each.
// Where spikes have amplitudes, [image][bit][step][row][column][channel]. The numbers are bytes from one to the next.
struct Frames {
    char* bits;
    int64_t rows, columns, channels;
    int64_t image, plane, step, row, pixel;

    // Where the frame of a step begins, with its margin; and one of its pixels.
    char* frame(int64_t i, int64_t bit, int64_t t) const { return bits + i * image + bit * plane + t * step; }
    char* at(int64_t i, int64_t bit, int64_t t, int64_t y, int64_t x) const {
        return frame(i, bit, t) + (y + MARGIN) * row + (x + MARGIN) * pixel;
    }
};

// Some bits of a frame: those of a mask, `offset` bytes behind the first pixel's first.
struct Piece {
    int64_t offset;
    uint64_t mask;
};

// The same spikes as lists, sorted by image, group (a row of the map, or a block of neurons), step and neuron.
struct Lists {
    const uint32_t* where;      // column << COLUMN | channel
    const void* amplitude;      // null where every spike counts 1
    const int64_t* image;       // [images]: where an image's list begins
    const uint32_t* begin;      // [images][groups · steps + 1], from there
    int64_t groups, size;       // the last group may be smaller
};

constexpr int COLUMN = 20;
constexpr int64_t MOST_CHANNELS = int64_t(1) << COLUMN, MOST_COLUMNS = int64_t(1) << (32 - COLUMN);
constexpr int MOST_KERNEL_ROWS = 32;

// A map that spikes go through: a convolution, or (one pixel, all channels) a matrix, or (as many groups as channels,
// a kernel of 1) a factor for each channel. Weights are [block][in][ky][kx][block's channels], or, where groups > 1,
// [in][ky][kx][out / groups]; the columns kx of a kernel stand last first, and, where `contiguous`, those with the same
// remainder by the stride together. With one group, whole vectors are read, so blocks are whole: `weights_of` numbers.
struct Source {
    Spikes spikes;
    const bool* gathered;  // [images]: whose spikes are gathered (gather.hpp), from frames; the others' are lists
    Frames frames;
    bool pooled;           // frames are those of a map of twice as many rows and columns, whose windows of 2x2 are to be added up
    Lists lists;
    const void* weight;
    const void* window;    // weights for gathering, [channels / together][word of input bits][bit][strip][kx][together], or,
                           // where spikes are listed, [channels / together][ky][in / PADDING][bit][PADDING][kx][together]; or null
    int64_t window_bits;   // of the amplitudes that it is for
    int64_t strip;         // rows of outputs that are gathered together; input rows: strip + ky - 1
    int64_t together;      // channels of outputs that are gathered together
    int64_t rows, columns, channels;
    int64_t kernel_y, kernel_x, stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x, groups;
};

// Whether taps that stand together fall on neighbouring outputs.
inline bool contiguous(const Source& s) { return s.groups == 1 && s.dilation_x == 1; }

// Whether every output is a sum over all inputs: one pixel, which the kernel's only tap falls on.
inline bool is_matrix(const Source& s) {
    return s.groups == 1 && s.rows * s.columns == 1 && s.kernel_y * s.kernel_x == 1 && !s.padding_y && !s.padding_x;
}

// The current of a population (or of a readout) over some steps: sources, plus a dense rest, and what becomes of it.
struct Job {
    const Source* sources;
    int count;
    const void* rest;                              // null where there is none
    int64_t rest_step, rest_image, rest_pixel;     // strides, 0 where it is the same for all
    int steps;
    int64_t images, rows, columns, channels;
    int64_t block, blocks, tile_rows, tiles;       // an item is a block of channels of a tile of rows of an image
    bool flat;                                     // one pixel, matrices only: all steps are accumulated at once
    void* out;                                     // [steps][image][pixel][channel]; null where a population follows
    void* potential;
    void* total;                                   // the spikes sent so far; only for the tracer
    const void* threshold;
    int64_t threshold_pixel;
    double parameter;  // the value of a hard reset, or the most spikes of a burst
    int bits;          // of an amplitude: planes of `up`, each [images][neurons]
    Dynamics dynamics;
    uint64_t* up;
    uint64_t* down;
    Frames sent;                                   // in the place of `up`, where spikes are sent as frames
};

// How many weights `run` reads of a source.
inline int64_t weights_of(const Source& s, const Job& job) {
    const int64_t outputs = s.groups == 1 ? job.blocks * job.block : job.channels / s.groups;
    return s.channels * s.kernel_y * s.kernel_x * outputs;
}

// Whether a spike is worth a factor of its channel's, at the neuron in its own place.
inline bool is_factor(const Source& s) {
    return s.groups == s.channels && s.kernel_y * s.kernel_x == 1 && s.stride_x == 1 && s.stride_y == 1 && !s.padding_x &&
           !s.padding_y;
}

// Whether spikes that are gathered are listed before, step by step.
inline bool is_listed(const Source& s) { return !is_factor(s) && (s.kernel_x == 5 || s.window_bits > 1); }

// Whether there is a kernel that gathers spikes like that: strip and channels that are gathered together by the kernel.
inline bool can_gather(const Source& s) {
    const bool single = s.window_bits == 1;
    const bool one = single && s.kernel_x == 1 && s.strip == 1 && s.together == 32;
    const bool two = single && s.stride_x == 2 && s.kernel_x == 3 && s.strip == 1 && s.together == 32;
    const bool three = s.stride_x == 1 && s.kernel_x == 3 &&
                       (s.together == 16 ? s.strip == (single ? 2 : 1) : s.together == 32 && s.strip == 1);
    const bool five = s.stride_x == 1 && s.kernel_x == 5 && s.strip == 1 && s.together == 16;
    const bool bits = s.channels == 16 || s.channels == 32 || s.channels == 64;
    if (s.window_bits < 1 || s.window_bits > MOST_GATHERED_BITS) return false;
    if (is_factor(s)) return bits && s.strip == 1;
    if (is_matrix(s)) return false;  // all its spikes are one list
    return (one || two || three || five) && bits && contiguous(s) && s.kernel_y == s.kernel_x && s.stride_x == s.stride_y &&
           s.dilation_y == 1 && s.padding_x >= 0 && s.padding_x < s.kernel_x && s.padding_y >= 0 &&
           s.padding_x <= MOST_GATHERED_PADDING && s.padding_y <= MOST_GATHERED_PADDING;
}

// Rows of a window's weights: those of the bits of whole words, and behind each word one of zeros, for bits that are not there.
constexpr int64_t window_rows(int64_t bits) { return (bits + WORD - 1) / WORD * (WORD + 1); }

// Whether a population's spikes are frames: its neurons subtract the same thresholds all over a channel, channels are whole
// blocks, and currents come from convolutions, or are dense.
inline bool sends_frames(const Job& job) {
    const bool plain = job.dynamics == Dynamics::subtract_at || job.dynamics == Dynamics::subtract_above;
    if (job.out || !plain || job.threshold_pixel || job.channels % job.block) return false;
    return job.count ? !job.flat && !job.rest_pixel : job.rest && job.rows * job.columns > 1;
}

// The source whose sums an image's neurons take, which is added last; -1 where there is none.
inline int taken_last(const Job& job, int64_t image) {
    int found = -1;
    for (int i = 0; i < job.count; ++i)
        if (const Source& s = job.sources[i]; !is_factor(s) && s.gathered && s.gathered[image]) found = i;
    return found;
}

// How many weights of its window `run` reads.
inline int64_t window_of(const Source& s, const Job& job) {
    if (is_factor(s)) return s.channels;
    if (is_listed(s)) return job.blocks * s.kernel_y * s.window_bits * s.channels * s.kernel_x * job.block;
    return job.blocks * window_rows((s.strip + s.kernel_y - 1) * s.channels) * s.strip * s.kernel_x * job.block;
}

// Windows of a pooling: output index o covers inputs begin[o] … end[o] - 1.
struct Windows {
    const int64_t *row_begin, *row_end, *column_begin, *column_end;
    int64_t in_rows, in_columns, rows, columns, channels;
};

// When few-spikes neurons send spikes: at the threshold or above it; or those of both signs, the negative ones always or only
// where more than 0 has been delivered.
enum class Sends : int { at, above, both, both_floor };

// Whether frames can be pooled as frames: windows of 2x2 beside each other, and channels that are half words or whole ones.
inline bool pools_frames(const Windows& w) {
    for (int64_t y = 0; y < w.rows; ++y)
        if (w.row_begin[y] != 2 * y || w.row_end[y] != 2 * y + 2) return false;
    for (int64_t x = 0; x < w.columns; ++x)
        if (w.column_begin[x] != 2 * x || w.column_end[x] != 2 * x + 2) return false;
    const bool whole = w.in_rows == 2 * w.rows && w.in_columns == 2 * w.columns;
    return whole && (w.channels == 16 || w.channels == 32 || !(w.channels % WORD));
}

// A population of few-spikes neurons, [image][outer][channel][inner]; the three numbers are those of channels. In step t a
// neuron sends +1 where `v >= threshold * up`, else, where it sends both signs, -1 where `v < -threshold * down`; it takes
// off `threshold * taken` and delivers `value * worth` times that.
struct Few {
    const void *current, *offset, *threshold, *value;
    int64_t images, outer, channels, inner;
    int steps;
    Sends sends;
    const double *up, *down, *taken, *worth;  // [steps]
    void *delivered, *potential;              // potential and words: null where nobody asks
    uint64_t* words;                          // [1 or 2 signs][images][neurons]
    const int32_t* fan_out;                   // [neurons], or null
    int64_t most_targets;                     // of a neuron
};

// A matrix on images [images][inputs], whose weights are [block of outputs][input][block]: out [images][outputs].
struct Product {
    const void *x, *weight, *bias;  // bias: null where there is none
    int64_t inputs, outputs, block;
    void* out;
};

// So many rows of a matrix are gone through together.
inline int64_t parts_of(const Product& p) { return (p.inputs + ROWS_TOGETHER - 1) / ROWS_TOGETHER; }

// Activations [outer][channels][inner], and what is gathered of them. Bin b of `bins` holds the positive values whose bits,
// shifted by so many, are first + b; those below and above are in the bins at the ends.
struct Observed {
    const float* values;
    int64_t outer, channels, inner;
    bool magnitude, per_channel;
    float* maximum;      // [channels]; NaN from a NaN on
    double* sum;         // [channels]
    int64_t* histogram;  // [channels or 1][bins + MOST_LANES]; the last ones are for what is not positive
    int first, bins, shift;
};

// Histograms [rows][bins], and the units that are tried for each: those that lose least are written to `best`.
struct Units {
    const double* edges;    // [bins + 1]
    const double* density;  // [rows][bins]
    int64_t bins;
    const double* units;    // [rows][count]
    int64_t count;
    double levels, offset;  // a quantiser delivers `unit * clip(floor(x / unit + offset), 0, levels)`
    double* best;           // [rows]
};

template <class Real>
struct Kernels {
    void (*sort)(const Spikes&, int64_t image, int steps, int64_t group, const uint32_t* names, uint32_t* where,
                 Real* amplitude, uint32_t* begin, uint64_t* scratch);
    int64_t (*room)(const Job&);  // bytes of scratch memory that `run` needs
    void (*run)(const Job&, int64_t block, int64_t image, int64_t tile, Line* scratch);
    void (*decode)(const Spikes&, int64_t image, int steps, const Real* scale, Real* out);
    void (*encode)(const Real* values, int64_t images, int64_t neurons, int64_t image, int steps, uint64_t* words);
    void (*add_counts)(const Spikes&, Real* to);
    int64_t (*linear_room)(const Product&);
    void (*linear)(const Product&, int64_t from, int64_t images, int64_t block, int64_t end, Line* scratch);
    void (*few)(const Few&, int64_t image, int64_t* spikes, int64_t* targets);  // [steps], or null
};

struct Set {
    Kernels<float> single;
    Kernels<double> twice;
    void (*pool)(const Spikes&, int64_t image, const Windows&, int bits, uint64_t* out);
    int64_t (*count)(const Spikes&, int64_t image);  // spikes of whatever amplitude
    void (*to_frames)(const Spikes&, int64_t image, int steps, const Frames&);
    void (*sort_frames)(const Frames&, int64_t image, int steps, const uint32_t* names, uint32_t* where, uint32_t* begin);
    void (*to_words)(const Frames&, int64_t image, int64_t bit, int steps, uint64_t* words);
    void (*pool_frames)(const Frames&, int64_t image, int steps, const Frames& to);
    void (*clear_margins)(const Frames&, int64_t image, int64_t bit, int steps);
    int64_t (*count_frames)(const Frames&, int64_t image, int steps, const Piece*, const int64_t* ends, int64_t classes,
                            int64_t* sums);  // [classes][steps]
    void (*add_up)(const uint64_t* words, int64_t run, int64_t rows, int64_t apart, uint64_t* planes);  // planes[PLANES]
    void (*observe)(const Observed&);
    void (*least_squares)(const Units&, int64_t row);
};

extern const Set kernels_default;
extern const Set kernels_avx2;
extern const Set kernels_avx512;

}  // namespace respike
