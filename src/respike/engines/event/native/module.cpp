// The Python module: checks what it is given, shares the work among threads, calls the kernels of this processor.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "kernels.hpp"
#include "parallel.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace respike {
namespace {

using Array = nb::ndarray<nb::c_contig, nb::device::cpu>;
using Words = nb::ndarray<int64_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;  // [signs][bits][images][neurons]
using Doubles = nb::ndarray<double, nb::c_contig, nb::device::cpu>;
using Singles = nb::ndarray<float, nb::c_contig, nb::device::cpu>;
using Whole = nb::ndarray<int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Targets = nb::ndarray<int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Numbers = nb::ndarray<int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Pair = std::tuple<int64_t, int64_t>;

void require(bool condition, const char* what) {
    if (!condition) throw std::invalid_argument(what);
}

// The kernels for one instruction set.
struct Named {
    const char* name;
    const Set* set;
};

// Those that this processor has, the fastest first.
std::vector<Named> sets() {
    std::vector<Named> all;
#if defined(RESPIKE_X86)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        all.push_back({"avx512", &kernels_avx512});
    if (__builtin_cpu_supports("avx2")) all.push_back({"avx2", &kernels_avx2});
#endif
    all.push_back({"default", &kernels_default});
    return all;
}

Named chosen = sets().front();

const Set& kernels() { return *chosen.set; }

const char* instruction_set() { return chosen.name; }

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Named& each : sets()) names.push_back(each.name);
    return names;
}

void choose(const std::string& name) {
    for (const Named& each : sets())
        if (name == each.name) {
            chosen = each;
            return;
        }
    throw std::invalid_argument("this processor has no such instruction set");
}

template <class Real>
const Kernels<Real>& kernels_of();
template <>
const Kernels<float>& kernels_of<float>() { return kernels().single; }
template <>
const Kernels<double>& kernels_of<double>() { return kernels().twice; }

template <class Real>
bool is(const Array& array) { return array.dtype() == nb::dtype<Real>(); }

// Calls function(Real) with the type of the array.
template <class Function>
void with_type(const Array& array, const Function& function) {
    if (is<float>(array)) return function(float());
    if (is<double>(array)) return function(double());
    throw std::invalid_argument("values must be float32 or float64");
}

Spikes spikes(const Words& words) {
    return {(const uint64_t*)words.data(), int(words.shape(0)), int(words.shape(1)), int64_t(words.shape(2)),
            int64_t(words.shape(3))};
}

// A map's rows, columns and channels.
using Shape = std::tuple<int64_t, int64_t, int64_t>;

// Frames of some spikes, and the memory that they stand in.
struct Pictures {
    Words words;  // of the same spikes; kept, so that no others take their place in memory
    int steps;
    Frames frames;
    std::unique_ptr<char[]> memory;
    std::unique_ptr<bool[]> there;  // [images]

    Pictures(const Words& words, int steps, const Shape& shape) : words(words), steps(steps), frames{} {
        Frames& f = frames;
        std::tie(f.rows, f.columns, f.channels) = shape;
        const int64_t size = f.channels / 8, rows = f.rows + 2 * MARGIN, columns = f.columns + 2 * MARGIN;
        f.pixel = size;
        f.row = columns * size;
        f.step = rows * f.row;
        f.plane = steps * f.step;
        f.image = int64_t(words.shape(1)) * f.plane;
        const int64_t images = int64_t(words.shape(2));
        memory.reset(new char[images * f.image + sizeof(Line)]);  // the last pixels are read as whole vectors
        there.reset(new bool[images]());
        f.bits = memory.get();
    }

    bool are_of(const Words& others, const Shape& shape) const {
        return words.data() == others.data() && shape == Shape(frames.rows, frames.columns, frames.channels);
    }
};

// Pieces of a frame, class by class.
struct Pieces {
    std::vector<Piece> all;
    std::vector<int64_t> ends;

    // Runs of neighbours among the neurons of a frame as a class.
    void add(const std::vector<std::pair<int64_t, int64_t>>& runs, const Frames& f) {
        const int64_t size = f.columns * f.channels;
        for (const auto& [start, length] : runs)
            for (int64_t n = start; n < start + length;) {
                const int64_t bit = n % size, shift = bit % 8;
                const int64_t count = std::min({start + length - n, size - bit, WORD - shift});
                const uint64_t mask = count < WORD ? (uint64_t(1) << count) - 1 : ~uint64_t(0);
                all.push_back({n / size * f.row + bit / 8, mask << shift});
                n += count;
            }
        ends.push_back(int64_t(all.size()));
    }

    // Adds an image's spikes to sums [class][step], and says how many there are.
    int64_t count(const Frames& f, int64_t image, int steps, int64_t* sums) const {
        return kernels().count_frames(f, image, steps, all.data(), ends.data(), int64_t(ends.size()), sums);
    }
};

// What the senders and readers of some spikes share: whether they are words, frames or both; how many there are, and their
// lists, made by the first who asks.
struct Shared {
    std::shared_ptr<Pictures> pictures;
    bool frames_alone = false;           // words are not written
    std::shared_ptr<Pictures> unpooled;  // of spikes whose windows of 2x2 have yet to be added up to these, which are nowhere else
    std::optional<Words> sums;           // then: memory for words of the sums,
    Shape shape;                         // and how they lie
    std::vector<int64_t> counts;         // of each image, whatever their amplitude; behind a pool, perhaps more than there are
    std::shared_ptr<void> sorted[2];     // Sorted<float>, Sorted<double>

    const std::vector<int64_t>& counted(const Words& words, int threads) {
        const Spikes s = spikes(words);
        if (counts.empty()) {
            counts.resize(s.images);
            Pieces whole;
            if (frames_alone) whole.add({{0, s.neurons}}, pictures->frames);
            parallel(threads, s.images, [&](int, int64_t i) {
                int64_t steps[MOST_STEPS] = {};
                counts[i] = frames_alone ? whole.count(pictures->frames, i, pictures->steps, steps) : kernels().count(s, i);
            });
        }
        require(int64_t(counts.size()) == s.images, "these are other spikes");
        return counts;
    }

    // Takes frames of spikes in the place of words, which are not written.
    const Frames& begin_frames(const Words& words, int steps, const Shape& shape) {
        pictures = std::make_shared<Pictures>(words, steps, shape);
        std::fill_n(pictures->there.get(), words.shape(2), true);
        frames_alone = true;
        return pictures->frames;
    }

    // Adds up windows that are not added up yet.
    void add_up(int threads) {
        if (!unpooled) return;
        const std::shared_ptr<Pictures> from = std::move(unpooled);
        const Frames& to = begin_frames(*sums, from->steps, shape);
        parallel(threads, int64_t(sums->shape(2)), [&](int, int64_t i) {
            for (int64_t bit = 0; bit < int64_t(sums->shape(1)); ++bit) kernels().clear_margins(to, i, bit, from->steps);
            kernels().pool_frames(from->frames, i, from->steps, to);
        });
        sums.reset();
    }

    // Writes those words that are not written yet.
    void complete(int threads) {
        add_up(threads);
        if (!frames_alone) return;
        const Spikes s = spikes(pictures->words);
        parallel(threads, s.images, [&](int, int64_t i) {
            for (int64_t b = 0; b < s.bits; ++b)
                kernels().to_words(pictures->frames, i, b, pictures->steps, (uint64_t*)s.words + (b * s.images + i) * s.neurons);
        });
        frames_alone = false;
    }

    // Frames of all images, if there are any alone.
    const Frames* known_frames(const Words& words, const Shape& shape) const {
        return frames_alone && pictures->are_of(words, shape) ? &pictures->frames : nullptr;
    }

    // Whether windows are added up while spikes are gathered.
    bool can_pool(const Words& words, const Source& s) const {
        const bool margins = 2 * std::max(s.padding_x, s.padding_y) <= MARGIN;
        return unpooled && sums->data() == words.data() && shape == Shape(s.rows, s.columns, s.channels) && is_listed(s) && margins;
    }

    // Frames of those images that are asked for. Another reader may have the same spikes in another order: they then take the
    // place of these.
    std::shared_ptr<Pictures> framed(const Words& words, const bool* images, int steps, const Shape& shape, int threads) {
        add_up(threads);
        if (!pictures || !pictures->are_of(words, shape)) {
            complete(threads);
            pictures = std::make_shared<Pictures>(words, steps, shape);
        }
        const Spikes s = spikes(words);
        parallel(threads, s.images, [&](int, int64_t i) {
            if (images[i] && !pictures->there[i]) kernels().to_frames(s, i, steps, pictures->frames), pictures->there[i] = true;
        });
        return pictures;
    }
};

// A map of spikes, without the spikes.
struct Map {
    Array weight;
    std::optional<Array> window;
    Source source;

    Map(std::tuple<int64_t, int64_t, int64_t> shape, Array weight, Pair kernel, Pair stride, Pair padding, Pair dilation,
        int64_t groups, std::optional<Array> given, int64_t strip, int64_t together, int64_t bits)
        : weight(std::move(weight)), window(std::move(given)), source{} {
        std::tie(source.rows, source.columns, source.channels) = shape;
        std::tie(source.kernel_y, source.kernel_x) = kernel;
        std::tie(source.stride_y, source.stride_x) = stride;
        std::tie(source.padding_y, source.padding_x) = padding;
        std::tie(source.dilation_y, source.dilation_x) = dilation;
        source.groups = groups;
        source.weight = this->weight.data();
        source.window = window ? window->data() : nullptr;
        source.strip = strip;
        source.together = together;
        source.window_bits = bits;
        require(!window || can_gather(source), "a map that cannot be gathered");
        require(groups > 0 && source.kernel_y <= MOST_KERNEL_ROWS, "the kernel is too tall, or there are no groups");
        require(source.channels <= MOST_CHANNELS && source.columns <= MOST_COLUMNS, "the map is too large");
    }
};

// The neurons of a population, without their state.
struct Neurons {
    Array threshold;
    Dynamics dynamics;
    double parameter;
};

// The windows of a pool, and the memory that they stand in.
struct Pool {
    Numbers row_begin, row_end, column_begin, column_end;
    Windows windows;

    Pool(std::tuple<int64_t, int64_t, int64_t> shape, Numbers row_begin, Numbers row_end, Numbers column_begin,
         Numbers column_end)
        : row_begin(row_begin), row_end(row_end), column_begin(column_begin), column_end(column_end),
          windows{row_begin.data(), row_end.data(), column_begin.data(), column_end.data()} {
        std::tie(windows.in_rows, windows.in_columns, windows.channels) = shape;
        windows.rows = int64_t(row_begin.size());
        windows.columns = int64_t(column_begin.size());
        require(row_end.size() == row_begin.size() && column_end.size() == column_begin.size(), "windows");
    }
};

// Spikes on their way through a map.
using Part = std::tuple<Words, Shared*, const Map*>;

// The lists of a part, and the memory that they stand in.
template <class Real>
struct Sorted {
    std::unique_ptr<uint32_t[]> where, begin;
    std::unique_ptr<Real[]> amplitude;
    std::vector<int64_t> image;
    std::vector<uint32_t> names;
    Lists lists{};
    Words words;  // kept, so that no others take their place in memory
    int steps;
    std::unique_ptr<bool[]> there;  // [images]
    std::array<int64_t, 4> made_for;

    Sorted(const Words& given, Shared& shared, const Source& source, int steps, bool flat, int threads)
        : image(given.shape(2) + 1), words(given), steps(steps), there(new bool[given.shape(2)]()), made_for(key(source, steps, flat)) {
        const Spikes s = spikes(words);
        const int planes = s.signs * s.bits;
        const std::vector<int64_t>& counts = shared.counted(words, threads);
        for (int64_t i = 0; i < s.images; ++i) image[i + 1] = image[i] + counts[i] + AHEAD;
        const int64_t spikes = image[s.images], steps_all = s.images * s.neurons * steps;
        // A matrix is walked in blocks of rows that stay in the first cache, where spikes are many enough to gain by it.
        const bool many = double(spikes) > REUSED_ACTIVITY * double(steps_all);
        lists.size = !flat ? source.columns * source.channels : many ? std::min(s.neurons, ROWS_IN_CACHE) : s.neurons;
        lists.groups = (s.neurons + lists.size - 1) / lists.size;
        for (int64_t i = 0; i < s.images; ++i) require(image[i + 1] - image[i] <= UINT32_MAX, "an image has too many spikes");
        where.reset(new uint32_t[spikes]);
        if (planes > 1) amplitude.reset(new Real[spikes]);
        const int64_t stride = lists.groups * steps + 1;
        begin.reset(new uint32_t[s.images * stride]);
        names.resize((lists.size + WORD - 1) / WORD * WORD);  // `sort` reads whole words' worth of names
        for (int64_t n = 0; n < lists.size; ++n)
            names[n] = flat ? uint32_t(n) : uint32_t(n / source.channels << COLUMN | n % source.channels);
        lists.where = where.get();
        lists.begin = begin.get();
        lists.amplitude = amplitude.get();
        lists.image = image.data();
    }

    // Makes the lists of those images that are not gathered, unless they are there: from frames, where these are given, or
    // words.
    void sort(const bool* gathered, const Frames* frames, int threads) {
        const Spikes s = spikes(words);
        const int64_t stride = lists.groups * steps + 1;
        std::vector<std::vector<uint64_t>> scratch(threads);
        parallel(threads, s.images, [&](int worker, int64_t i) {
            if ((gathered && gathered[i]) || there[i]) return;
            there[i] = true;
            if (frames) return kernels().sort_frames(*frames, i, steps, names.data(), where.get() + image[i], begin.get() + i * stride);
            scratch[worker].resize((s.signs * s.bits + 2) * names.size());
            kernels_of<Real>().sort(s, i, steps, lists.size, names.data(), where.get() + image[i],
                                    amplitude ? amplitude.get() + image[i] : nullptr, begin.get() + i * stride,
                                    scratch[worker].data());
        });
    }

    static std::array<int64_t, 4> key(const Source& source, int steps, bool flat) {
        return {steps, flat, source.columns, source.channels};
    }
};

// The lists of a part, of the images that are not gathered: those that another reader of the same spikes has left, or new ones.
template <class Real>
std::shared_ptr<Sorted<Real>> sorted_of(const Part& part, const bool* gathered, int steps, bool flat, int threads) {
    const auto& [words, shared, map] = part;
    const Shape shape(map->source.rows, map->source.columns, map->source.channels);
    const Frames* frames = flat || words.shape(1) > 1 ? nullptr : shared->known_frames(words, shape);
    if (!frames) shared->complete(threads);
    std::shared_ptr<void>& kept = shared->sorted[sizeof(Real) == sizeof(double)];
    auto known = std::static_pointer_cast<Sorted<Real>>(kept);
    if (!known || known->words.data() != words.data() || known->made_for != Sorted<Real>::key(map->source, steps, flat))
        kept = known = std::make_shared<Sorted<Real>>(words, *shared, map->source, steps, flat, threads);
    known->sort(gathered, frames, threads);
    return known;
}

// Whose spikes are gathered; null where nobody's are. An image is asked for itself, so that results do not depend on those
// beside it.
template <class Real>
std::unique_ptr<bool[]> gathered_of(const Part& part, const Job& job, int threads) {
    const auto& [words, shared, map] = part;
    const Spikes s = spikes(words);
    if (!map->window || s.signs > 1 || s.bits != map->source.window_bits) return nullptr;
    const std::vector<int64_t>& counts = shared->counted(words, threads);
    std::unique_ptr<bool[]> gathered(new bool[s.images]);
    const double activity = s.bits > 1 && !is_factor(map->source) ? GRADED_ACTIVITY : GATHERED_ACTIVITY;
    const double least = activity * double(s.neurons) * job.steps;
    bool any = false;
    for (int64_t i = 0; i < s.images; ++i) any |= gathered[i] = double(counts[i]) >= least;
    return any ? std::move(gathered) : nullptr;
}

// Runs a job whose outlets are set: lists, tiles, threads. Where spikes are frames, they are to be found in `sent`; `out` is then
// memory for their words.
template <class Real>
void run(Job& job, const std::vector<Part>& parts, const std::optional<Array>& rest, int64_t block, Shared* sent, const Words* out,
         int threads) {
    require(job.steps >= 1 && job.steps <= MOST_STEPS, "a chunk has 1 to 64 steps");
    const int64_t pixels = job.rows * job.columns;
    if (rest) {
        require(is<Real>(*rest) && rest->ndim() == 4, "the rest has another type");
        const int64_t s = rest->shape(0), i = rest->shape(1), p = rest->shape(2), c = rest->shape(3);
        require((s == 1 || s == job.steps) && (i == 1 || i == job.images) && (p == 1 || p == pixels) && c == job.channels,
                "the rest does not fit");
        job.rest = rest->data();
        job.rest_pixel = p == 1 ? 0 : c;
        job.rest_image = i == 1 ? 0 : p * c;
        job.rest_step = s == 1 ? 0 : i * p * c;
    }
    require(block > 0 && block % PADDING == 0, "a block of channels is not padded");
    job.block = block;
    job.blocks = (job.channels + block - 1) / block;
    job.count = int(parts.size());
    job.flat = pixels == 1 && !parts.empty();
    for (const auto& [words, shared, map] : parts) {
        const Source& s = map->source;
        require(is<Real>(map->weight) && int64_t(words.shape(2)) == job.images, "a part does not fit");
        require(int64_t(words.shape(3)) == s.rows * s.columns * s.channels, "words do not fit");
        require(s.channels % s.groups == 0 && job.channels % s.groups == 0, "groups do not divide the channels");
        require(int64_t(map->weight.size()) == weights_of(s, job), "weights do not fit");
        require(!map->window || is_factor(s) || block % s.together == 0, "channels that are gathered together are cut");
        require(!map->window || !is_factor(s) || (s.rows == job.rows && s.columns == job.columns && s.channels == job.channels),
                "factors do not fit");
        require(!map->window || (is<Real>(*map->window) && int64_t(map->window->size()) == window_of(s, job)), "a window");
        job.flat = job.flat && is_matrix(s);
    }
    const Shape shape(job.rows, job.columns, job.channels);
    if (parts.empty() && !sends_frames(job)) job.rows = pixels, job.columns = 1;  // tiles are whole rows, which matter to nobody
    require(!job.flat || block <= MOST_MATRIX_BLOCK, "a block of a matrix is too large");
    int64_t wanted = TILE_BYTES / int64_t(sizeof(Real)) / (job.columns * block), strip = 1;
    for (const Part& part : parts) {
        const Source& s = std::get<const Map*>(part)->source;
        strip = std::max(strip, s.strip);
        if (s.window && is_listed(s)) wanted = std::min(wanted, MOST_PLACES / (s.window_bits * s.channels * s.kernel_x) - s.kernel_y);
    }
    job.tile_rows = std::min(job.rows, (std::max(wanted, int64_t(1)) + strip - 1) / strip * strip);
    job.tiles = (job.rows + job.tile_rows - 1) / job.tile_rows;
    std::vector<std::shared_ptr<Sorted<Real>>> sorted;
    std::vector<std::shared_ptr<Pictures>> framed;
    std::vector<std::unique_ptr<bool[]>> gathered;
    std::vector<Source> sources;
    for (const Part& part : parts) {
        const auto& [words, shared, map] = part;
        sources.push_back(map->source);
        sources.back().spikes = spikes(words);
        const Source& s = map->source;
        const bool* some = gathered.emplace_back(gathered_of<Real>(part, job, threads)).get();
        sources.back().gathered = some;
        if (some) {
            sources.back().pooled = shared->can_pool(words, s);
            framed.push_back(sources.back().pooled ? shared->unpooled
                                                   : shared->framed(words, some, job.steps, {s.rows, s.columns, s.channels}, threads));
            sources.back().frames = framed.back()->frames;
        }
        if (some && std::all_of(some, some + job.images, [](bool b) { return b; })) continue;
        sorted.push_back(sorted_of<Real>(part, some, job.steps, job.flat, threads));
        sources.back().lists = sorted.back()->lists;
    }
    job.sources = sources.data();
    if (sends_frames(job)) {
        job.sent = sent->begin_frames(*out, job.steps, shape);
    }
    const int64_t lines = kernels_of<Real>().room(job) / int64_t(sizeof(Line));
    std::vector<std::vector<Line>> scratch(threads);
    parallel(threads, job.blocks * job.images * job.tiles, [&](int worker, int64_t item) {
        if (scratch[worker].empty()) scratch[worker].resize(lines);
        const int64_t tile = item % job.tiles, image = item / job.tiles % job.images, number = item / job.tiles / job.images;
        if (!tile && !number && job.sent.bits) kernels().clear_margins(job.sent, image, 0, job.steps);
        kernels_of<Real>().run(job, number, image, tile, scratch[worker].data());
    });
}

Job job_of(int steps, std::tuple<int64_t, int64_t, int64_t, int64_t> shape) {
    Job job{};
    job.steps = steps;
    job.bits = 1;
    std::tie(job.images, job.rows, job.columns, job.channels) = shape;
    return job;
}

void fire(const std::vector<Part>& parts, const std::optional<Array>& rest, int steps,
          std::tuple<int64_t, int64_t, int64_t, int64_t> shape, int64_t block, const Neurons& population, Array potential,
          const std::optional<Array>& total, Words out, int threads, Shared& sent) {
    Job job = job_of(steps, shape);
    const int64_t pixels = job.rows * job.columns, neurons = pixels * job.channels;
    const Array& threshold = population.threshold;
    job.dynamics = population.dynamics;
    job.parameter = population.parameter;
    job.bits = int(out.shape(1));
    require(int64_t(potential.size()) == job.images * neurons && potential.dtype() == threshold.dtype(), "potential");
    require((job.dynamics == Dynamics::tracer) == total.has_value(), "only the tracer keeps totals");
    require(!total || (total->size() == potential.size() && total->dtype() == potential.dtype()), "total");
    require(int64_t(threshold.size()) == job.channels || int64_t(threshold.size()) == neurons, "threshold");
    require(job.dynamics == Dynamics::burst ? job.bits <= MOST_BURST_BITS && job.parameter < 1 << job.bits : job.bits == 1, "bits");
    require(int64_t(out.shape(0)) == (total ? 2 : 1) && int64_t(out.shape(2)) == job.images &&
                int64_t(out.shape(3)) == neurons,
            "out");
    job.threshold_pixel = int64_t(threshold.size()) == job.channels ? 0 : job.channels;
    job.potential = potential.data();
    job.total = total ? total->data() : nullptr;
    job.threshold = threshold.data();
    job.up = (uint64_t*)out.data();
    job.down = job.up + job.images * neurons;
    require(!sent.pictures && sent.counts.empty(), "spikes that have been sent already");
    nb::gil_scoped_release unlocked;
    with_type(potential, [&](auto real) { run<decltype(real)>(job, parts, rest, block, &sent, &out, threads); });
}

void currents(const std::vector<Part>& parts, const std::optional<Array>& rest, int steps,
              std::tuple<int64_t, int64_t, int64_t, int64_t> shape, int64_t block, Array out, int threads) {
    Job job = job_of(steps, shape);
    require(int64_t(out.size()) == steps * job.images * job.rows * job.columns * job.channels, "out");
    job.out = out.data();
    nb::gil_scoped_release unlocked;
    with_type(out, [&](auto real) { run<decltype(real)>(job, parts, rest, block, nullptr, nullptr, threads); });
}

// Writes all words that are not written yet; they lie in memory in whatever order.
void complete(nb::ndarray<int64_t, nb::device::cpu> words, Shared& shared, int threads) {
    require(!shared.frames_alone || words.data() == shared.pictures->words.data(), "words of other spikes");
    require(!shared.unpooled || words.data() == shared.sums->data(), "words of other spikes");
    nb::gil_scoped_release unlocked;
    shared.complete(threads);
}

// Neurons that have the same number of targets, as runs of neighbours: first neuron, length.
struct Class {
    double targets;
    std::vector<std::pair<int64_t, int64_t>> runs;
};

std::vector<Class> classes_of(const double* targets, int64_t neurons) {
    std::map<double, size_t> places;
    std::vector<Class> classes;
    for (int64_t n = 0, start = 0; n < neurons; ++n) {
        if (n + 1 < neurons && targets[n + 1] == targets[n]) continue;
        const auto [place, added] = places.emplace(targets[n], classes.size());
        if (added) classes.push_back({targets[n], {}});
        classes[place->second].runs.emplace_back(start, n + 1 - start);
        start = n + 1;
    }
    return classes;
}

// How many spikes there are in each step, as bits of words.
struct Counter {
    std::array<uint64_t, PLANES> places{};
    std::vector<uint64_t> some;  // words that have yet to be added: many at a time cost less

    // So many neurons, the first at `words`, over rows of images that are `apart`.
    void add(const uint64_t* words, int64_t length, int64_t rows, int64_t apart) {
        constexpr int64_t few = 8;
        if (length >= few) return kernels().add_up(words, length, rows, apart, places.data());
        for (int64_t row = 0; row < rows; ++row, words += apart)
            for (int64_t n = 0; n < length; ++n)
                if (words[n]) some.push_back(words[n]);
        if (some.size() > 1024) settle();
    }

    void settle() {
        kernels().add_up(some.data(), int64_t(some.size()), 1, 0, places.data());
        some.clear();
    }

    int64_t in_step(int t) const {
        int64_t count = 0;
        for (int place = 0; place < PLANES; ++place) count += int64_t(places[place] >> t & 1) << place;
        return count;
    }
};

// Per step the number of spikes and the sum of their fan-outs, over all images: out [steps][2]. Threads share the images.
void tally(Words words, Shared& shared, Doubles fan_out, int steps, Doubles out, int threads) {
    const Spikes s = spikes(words);
    const bool framed = shared.frames_alone;
    require(s.bits == 1 && int64_t(fan_out.size()) == s.neurons && int64_t(out.size()) == 2 * steps, "tally");
    require(!framed || (steps == shared.pictures->steps && shared.pictures->words.data() == words.data()), "words of other spikes");
    nb::gil_scoped_release unlocked;
    const std::vector<Class> classes = classes_of(fan_out.data(), s.neurons);
    Pieces pieces;
    if (framed)
        for (const Class& each : classes) pieces.add(each.runs, shared.pictures->frames);
    std::vector<int64_t> counts(framed ? s.images : 0);
    const int64_t rows = s.images * s.signs, parts = std::max<int64_t>(1, std::min<int64_t>(threads, rows));
    std::vector<std::vector<double>> sums(parts, std::vector<double>(2 * steps));
    parallel(int(parts), parts, [&](int, int64_t part) {
        const int64_t first = rows * part / parts, count = rows * (part + 1) / parts - first;
        std::vector<int64_t> found(classes.size() * steps);  // [class][step]
        for (int64_t image = first; framed && image < first + count; ++image)
            counts[image] = pieces.count(shared.pictures->frames, image, steps, found.data());
        for (size_t c = 0; c < classes.size(); ++c) {
            if (!framed) {
                Counter counter;
                for (const auto& [start, length] : classes[c].runs)
                    counter.add(s.words + first * s.neurons + start, length, count, s.neurons);
                counter.settle();
                for (int t = 0; t < steps; ++t) found[c * steps + t] = counter.in_step(t);
            }
            for (int t = 0; t < steps; ++t) {
                sums[part][2 * t] += double(found[c * steps + t]);
                sums[part][2 * t + 1] += double(found[c * steps + t]) * classes[c].targets;
            }
        }
    });
    if (framed) shared.counts = std::move(counts);
    std::fill(out.data(), out.data() + out.size(), 0.0);
    for (const auto& some : sums)
        for (int i = 0; i < 2 * steps; ++i) out.data()[i] += some[i];
}

// The steps of few-spikes neurons, [images][outer · channels · inner]: what they deliver and, where asked for, potentials,
// words [signs][1][images][neurons], or the spikes and targets of each step, [steps, 2].
void few(Array current, Array offset, Array threshold, Array value, int64_t inner, Sends sends, Doubles up, Doubles down,
         Doubles taken, Doubles worth, Array delivered, const std::optional<Array>& potential, const std::optional<Words>& words,
         const std::optional<Targets>& fan_out, const std::optional<Doubles>& sums, int threads) {
    require(current.ndim() == 2 && delivered.size() == current.size() && delivered.dtype() == current.dtype(), "current");
    const int64_t images = int64_t(current.shape(0)), neurons = int64_t(current.shape(1));
    const int64_t channels = int64_t(offset.size());
    for (const Array* number : {&offset, &threshold, &value})
        require(number->dtype() == current.dtype() && int64_t(number->size()) == channels, "a number for each channel");
    require(channels > 0 && inner > 0 && neurons % (channels * inner) == 0, "channels");
    const int64_t steps = int64_t(up.size()), signs = sends == Sends::both || sends == Sends::both_floor ? 2 : 1;
    require(steps <= MOST_WINDOW, "steps");
    for (const Doubles* sequence : {&down, &taken, &worth}) require(int64_t(sequence->size()) == steps, "steps");
    require(!potential || (potential->size() == current.size() && potential->dtype() == current.dtype()), "potential");
    require(!words || int64_t(words->size()) == signs * images * neurons, "words");
    require(!fan_out == !sums && !(words && sums), "a fan-out and sums, or words");
    require(!fan_out || int64_t(fan_out->size()) == 1 || int64_t(fan_out->size()) == neurons, "fan-out");
    require(!sums || int64_t(sums->size()) == 2 * steps, "sums");
    const int32_t* fan = fan_out ? fan_out->data() : nullptr;
    const bool same = fan_out && fan_out->size() == 1;
    const int64_t least = fan ? *std::min_element(fan, fan + fan_out->size()) : 0;
    const int64_t most = fan ? *std::max_element(fan, fan + fan_out->size()) : 0;
    require(least >= 0 && (same || most <= MOST_TARGETS), "a fan-out that cannot be added up");
    const Few all{current.data(), offset.data(), threshold.data(), value.data(),
                  images, neurons / (channels * inner), channels, inner,
                  int(steps), sends, up.data(), down.data(), taken.data(), worth.data(), delivered.data(),
                  potential ? potential->data() : nullptr, words ? (uint64_t*)words->data() : nullptr,
                  fan, most};
    nb::gil_scoped_release unlocked;
    threads = int(std::max<int64_t>(1, std::min<int64_t>(threads, images)));
    std::vector<std::array<int64_t, MOST_WINDOW>> spikes(threads, std::array<int64_t, MOST_WINDOW>{}), targets = spikes;
    with_type(current, [&](auto real) {
        parallel(threads, images, [&](int worker, int64_t image) {
            kernels_of<decltype(real)>().few(all, image, sums ? spikes[worker].data() : nullptr,
                                             sums && !same ? targets[worker].data() : nullptr);
        });
    });
    for (int64_t t = 0; sums && t < steps; ++t) {
        int64_t count = 0, reached = 0;
        for (const auto& each : spikes) count += each[t];
        for (const auto& each : targets) reached += each[t];
        sums->data()[2 * t] = double(count);
        sums->data()[2 * t + 1] = same ? double(count) * double(*fan) : double(reached);
    }
}

// A matrix [blocks][inputs][block], and a bias, on images [images][inputs]: out [images][outputs].
void linear(Array x, Array weight, const std::optional<Array>& bias, Array out, int threads) {
    require(x.ndim() == 2 && weight.ndim() == 3 && out.ndim() == 2 && out.shape(0) == x.shape(0), "dimensions");
    const int64_t images = int64_t(x.shape(0)), blocks = int64_t(weight.shape(0));
    const Product all{x.data(), weight.data(), bias ? bias->data() : nullptr,
                      int64_t(x.shape(1)), int64_t(out.shape(1)), int64_t(weight.shape(2)), out.data()};
    require(int64_t(weight.shape(1)) == all.inputs, "inputs");
    require(all.block > 0 && all.block % PADDING == 0 && all.block <= MOST_MATRIX_BLOCK, "a block of a matrix");
    require(blocks == (all.outputs + all.block - 1) / all.block, "outputs");
    require(weight.dtype() == x.dtype() && out.dtype() == x.dtype(), "types");
    require(!bias || (bias->dtype() == x.dtype() && int64_t(bias->size()) == all.outputs), "bias");
    require(all.inputs * all.block <= UINT32_MAX, "a matrix is too large");
    const int64_t groups = (images + IMAGES_TOGETHER - 1) / IMAGES_TOGETHER, parts = std::min<int64_t>(threads, blocks);
    nb::gil_scoped_release unlocked;
    with_type(x, [&](auto real) {
        const Kernels<decltype(real)>& chosen = kernels_of<decltype(real)>();
        const int64_t lines = chosen.linear_room(all) / int64_t(sizeof(Line));
        std::vector<std::unique_ptr<Line[]>> scratch(threads);
        parallel(threads, groups * parts, [&](int worker, int64_t item) {
            if (!scratch[worker]) scratch[worker].reset(new Line[lines]);
            const int64_t from = item / parts * IMAGES_TOGETHER, part = item % parts;
            chosen.linear(all, from, std::min<int64_t>(images - from, IMAGES_TOGETHER), blocks * part / parts,
                          blocks * (part + 1) / parts, scratch[worker].get());
        });
    });
}

// Adds each neuron's net number of spikes to out [images][neurons].
void add_counts(Words words, Array out) {
    const Spikes s = spikes(words);
    require(int64_t(out.size()) == s.images * s.neurons, "counts");
    with_type(out, [&](auto real) { kernels_of<decltype(real)>().add_counts(s, (decltype(real)*)out.data()); });
}

void decode(Words words, int steps, const std::optional<Array>& scale, Array out, int threads) {
    const Spikes s = spikes(words);
    require(int64_t(out.size()) == steps * s.images * s.neurons, "out");
    require(!scale || (int64_t(scale->size()) == s.neurons && scale->dtype() == out.dtype()), "scale");
    nb::gil_scoped_release unlocked;
    with_type(out, [&](auto real) {
        using Real = decltype(real);
        parallel(threads, s.images, [&](int, int64_t image) {
            kernels_of<Real>().decode(s, image, steps, scale ? (const Real*)scale->data() : nullptr, (Real*)out.data());
        });
    });
}

// Words of where values [steps][images][neurons] are not zero.
void encode(Array values, int steps, Words out, int threads) {
    const Spikes s = spikes(out);
    require(s.signs == 1 && s.bits == 1 && int64_t(values.size()) == steps * s.images * s.neurons, "values");
    nb::gil_scoped_release unlocked;
    with_type(values, [&](auto real) {
        using Real = decltype(real);
        parallel(threads, s.images, [&](int, int64_t image) {
            kernels_of<Real>().encode((const Real*)values.data(), s.images, s.neurons, image, steps, (uint64_t*)out.data());
        });
    });
}

// Sums over windows of a map. What is known of spikes and sums beside their words is in `shared` and `sent`.
void pool(Words words, const Pool& windows, Words out, int threads, Shared& shared, Shared& sent) {
    const Spikes s = spikes(words), result = spikes(out);
    const Windows& w = windows.windows;
    require(result.bits <= MOST_BITS, "amplitudes have too many bits");
    require(s.neurons == w.in_rows * w.in_columns * w.channels && result.signs == s.signs && result.images == s.images &&
                result.neurons == w.rows * w.columns * w.channels,
            "pool");
    nb::gil_scoped_release unlocked;
    const Frames* frames = shared.known_frames(words, {w.in_rows, w.in_columns, w.channels});
    if (frames && s.bits == 1 && result.bits == 3 && pools_frames(w)) {
        sent.unpooled = shared.pictures;
        sent.sums = out;
        sent.shape = {w.rows, w.columns, w.channels};
        sent.counts = shared.counted(words, threads);
        return;
    }
    shared.complete(threads);
    parallel(threads, s.images,
             [&](int, int64_t image) { kernels().pool(s, image, w, result.bits, (uint64_t*)out.data()); });
}

// Adds activations [outer][channels][inner] to what has been gathered of them.
void observe(Singles values, bool magnitude, int first, int shift, Singles maximum, Doubles sum, Whole histogram) {
    require(values.ndim() == 3 && maximum.size() == values.shape(1) && sum.size() == values.shape(1), "channels");
    const int64_t channels = int64_t(values.shape(1)), rows = int64_t(histogram.shape(0));
    require((rows == 1 || rows == channels) && int64_t(histogram.shape(1)) > MOST_LANES, "histogram");
    require(shift > 0 && shift < 31, "shift");
    const Observed all{values.data(), int64_t(values.shape(0)), channels, int64_t(values.shape(2)), magnitude,
                       rows > 1, maximum.data(), sum.data(), histogram.data(), first,
                       int(histogram.shape(1)) - MOST_LANES, shift};
    nb::gil_scoped_release unlocked;
    kernels().observe(all);
}

// The units [rows][count] that lose least over histograms: their density [rows][bins] between edges [bins + 1].
void least_squares(Doubles edges, Doubles density, Doubles units, double levels, double offset, Doubles best) {
    require(density.ndim() == 2 && units.ndim() == 2 && best.ndim() == 1, "dimensions");
    const int64_t rows = int64_t(best.size()), bins = int64_t(density.shape(1)), count = int64_t(units.shape(1));
    require(int64_t(density.shape(0)) == rows && int64_t(units.shape(0)) == rows && count > 0, "rows");
    require(int64_t(edges.size()) == bins + 1, "edges");
    const Units all{edges.data(), density.data(), bins, units.data(), count, levels, offset, best.data()};
    nb::gil_scoped_release unlocked;
    for (int64_t row = 0; row < rows; ++row) kernels().least_squares(all, row);
}

}  // namespace
}  // namespace respike

NB_MODULE(_native, m) {
    using namespace respike;
    nb::enum_<Dynamics>(m, "Dynamics")
        .value("subtract_at", Dynamics::subtract_at)
        .value("subtract_above", Dynamics::subtract_above)
        .value("to_value_at", Dynamics::to_value_at)
        .value("to_value_above", Dynamics::to_value_above)
        .value("tracer", Dynamics::tracer)
        .value("burst", Dynamics::burst);
    nb::enum_<Sends>(m, "Sends")
        .value("at", Sends::at)
        .value("above", Sends::above)
        .value("both", Sends::both)
        .value("both_floor", Sends::both_floor);
    nb::class_<Shared>(m, "Shared").def(nb::init<>());
    nb::class_<Map>(m, "Map").def(nb::init<std::tuple<int64_t, int64_t, int64_t>, Array, Pair, Pair, Pair, Pair, int64_t,
                                           std::optional<Array>, int64_t, int64_t, int64_t>(),
                                  "shape"_a, "weight"_a.noconvert(), "kernel"_a, "stride"_a, "padding"_a, "dilation"_a,
                                  "groups"_a, "window"_a.none().noconvert() = nb::none(), "strip"_a = 0, "together"_a = 0, "bits"_a = 1);
    nb::class_<Pool>(m, "Windows").def(nb::init<std::tuple<int64_t, int64_t, int64_t>, Numbers, Numbers, Numbers, Numbers>(),
                                       "shape"_a, "row_begin"_a.noconvert(), "row_end"_a.noconvert(),
                                       "column_begin"_a.noconvert(), "column_end"_a.noconvert());
    nb::class_<Neurons>(m, "Neurons").def(nb::init<Array, Dynamics, double>(), "threshold"_a.noconvert(), "dynamics"_a,
                                          "parameter"_a);
    m.def("fire", &fire, "parts"_a.noconvert(), "rest"_a.none().noconvert(), "steps"_a, "shape"_a, "block"_a, "neurons"_a,
          "potential"_a.noconvert(), "total"_a.none().noconvert(), "out"_a.noconvert(), "threads"_a, "sent"_a);
    m.def("currents", &currents, "parts"_a.noconvert(), "rest"_a.none().noconvert(), "steps"_a, "shape"_a, "block"_a,
          "out"_a.noconvert(), "threads"_a);
    m.def("complete", &complete, "words"_a.noconvert(), "shared"_a, "threads"_a);
    m.def("tally", &tally, "words"_a.noconvert(), "shared"_a, "fan_out"_a.noconvert(), "steps"_a, "out"_a.noconvert(), "threads"_a);
    m.def("few", &few, "current"_a.noconvert(), "offset"_a.noconvert(), "threshold"_a.noconvert(), "value"_a.noconvert(),
          "inner"_a, "sends"_a, "up"_a.noconvert(), "down"_a.noconvert(), "taken"_a.noconvert(), "worth"_a.noconvert(),
          "delivered"_a.noconvert(), "potential"_a.none().noconvert(), "words"_a.none().noconvert(),
          "fan_out"_a.none().noconvert(), "sums"_a.none().noconvert(), "threads"_a);
    m.def("linear", &linear, "x"_a.noconvert(), "weight"_a.noconvert(), "bias"_a.none().noconvert(), "out"_a.noconvert(), "threads"_a);
    m.def("add_counts", &add_counts, "words"_a.noconvert(), "out"_a.noconvert());
    m.def("decode", &decode, "words"_a.noconvert(), "steps"_a, "scale"_a.none().noconvert(), "out"_a.noconvert(),
          "threads"_a);
    m.def("encode", &encode, "values"_a.noconvert(), "steps"_a, "out"_a.noconvert(), "threads"_a);
    m.def("pool", &pool, "words"_a.noconvert(), "windows"_a, "out"_a.noconvert(), "threads"_a, "shared"_a, "sent"_a);
    m.def("observe", &observe, "values"_a.noconvert(), "magnitude"_a, "first"_a, "shift"_a, "maximum"_a.noconvert(),
          "sum"_a.noconvert(), "histogram"_a.noconvert());
    m.def("least_squares", &least_squares, "edges"_a.noconvert(), "density"_a.noconvert(), "units"_a.noconvert(),
          "levels"_a, "offset"_a, "best"_a.noconvert());
    m.attr("MOST_LANES") = MOST_LANES;
    m.attr("MOST_STEPS") = MOST_STEPS;
    m.attr("MOST_BITS") = MOST_BITS;
    m.attr("MOST_BURST_BITS") = MOST_BURST_BITS;
    m.attr("MOST_WINDOW") = MOST_WINDOW;
    m.attr("MOST_TARGETS") = MOST_TARGETS;
    m.attr("MOST_CHANNELS") = MOST_CHANNELS;
    m.attr("MOST_COLUMNS") = MOST_COLUMNS;
    m.attr("MOST_KERNEL_ROWS") = MOST_KERNEL_ROWS;
    m.attr("MOST_GATHERED_BITS") = MOST_GATHERED_BITS;
    m.attr("MOST_GATHERED_PADDING") = MOST_GATHERED_PADDING;
    m.attr("PADDING") = PADDING;
    m.attr("WORD") = WORD;
    m.def("instruction_set", &instruction_set);
    m.def("instruction_sets", &instruction_sets);
    m.def("choose", &choose, "instruction_set"_a);
}
