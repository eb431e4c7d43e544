// A tile of a population, through all steps of a chunk.
#pragma once

#include "currents.hpp"
#include "firing.hpp"
#include "gather.hpp"

namespace respike {
namespace {

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
    for (int64_t p = 0; p < tile.pixels; ++p) {
        uint64_t* to = values + (tile.first_pixel + p) * job.channels + tile.first_channel;
        const typename Lanes<Real>::integer* from = bits + p * job.block;
        if (sizeof(Real) == 4 && chunks<Real>(job) == 2)
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

// A tile's state before the chunk.
template <class Real>
void begin(const Job& job, const Tile<Real>& tile, int64_t image) {
    const int64_t neurons = job.rows * job.columns * job.channels;
    const Real never = Real(__builtin_huge_val());
    gather<Real>(job, tile, tile.potential, (const Real*)job.potential + image * neurons, job.channels, Real(0));
    gather<Real>(job, tile, tile.threshold, (const Real*)job.threshold, job.threshold_pixel, never);
    for (int64_t n = 0; n < job.bits * chunks<Real>(job) * tile.size; ++n) tile.up[n] = 0;
    if (job.dynamics != Dynamics::tracer) return;
    gather<Real>(job, tile, tile.total, (const Real*)job.total + image * neurons, job.channels, Real(0));
    for (int64_t n = 0; n < chunks<Real>(job) * tile.size; ++n) tile.down[n] = 0;
}

// And after it.
template <class Real>
void end(const Job& job, const Tile<Real>& tile, int64_t image) {
    const int64_t neurons = job.rows * job.columns * job.channels;
    scatter<Real>(job, tile, tile.potential, (Real*)job.potential + image * neurons);
    for (int k = 0; k < job.bits; ++k)
        words<Real>(job, tile, tile.up + k * chunks<Real>(job) * tile.size, job.up + (k * job.images + image) * neurons);
    if (job.dynamics != Dynamics::tracer) return;
    scatter<Real>(job, tile, tile.total, (Real*)job.total + image * neurons);
    words<Real>(job, tile, tile.down, job.down + image * neurons);
}

// All steps of a tile that matrices lead to: all currents, then all firing.
template <class Real>
void matrices(const Job& job, const Tile<Real>& tile, int64_t block, int64_t image) {
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
}

// What `run` keeps in scratch memory.
template <class Real>
struct Desk {
    Tile<Real> tile;
    Meeting<Real>* meetings;
    Gathering<Real>* gatherings;  // of sources with spikes that are gathered
    Taking<Real>* taking;         // null where no frames are sent

    Desk(Room& room, const Job& job)
        : tile(room, job), meetings(room.take<Meeting<Real>>(job.count)),
          gatherings(room.take<Gathering<Real>>(job.count)), taking(nullptr) {
        for (int i = 0; i < job.count; ++i) {
            const Meeting<Real> meeting(room, job.sources[i]);
            if (meetings) meetings[i] = meeting;
            if (!job.sources[i].gathered) continue;
            const Gathering<Real> gathering(room, job.sources[i], job);
            if (gatherings) gatherings[i] = gathering;
        }
        if (!sends_frames(job)) return;
        taking = room.take<Taking<Real>>(1);
        const Taking<Real> taken(room, job);
        if (taking) *taking = taken;
    }

    // What the sources do once for a tile.
    void meet(const Job& job, int64_t block, int64_t image) {
        for (int i = 0; i < job.count; ++i)
            if (const bool* gathered = job.sources[i].gathered; gathered && gathered[image])
                gatherings[i].meet(image, tile.top);
            else
                meetings[i].meet(job, block, tile.top, tile.height);
    }
};

// Adds what a source delivers in one step.
template <class Real>
void deliver(const Job& job, const Desk<Real>& desk, int64_t block, int64_t image, int t, int source) {
    const Source& s = job.sources[source];
    Real* to = desk.tile.current;
    if (s.gathered && s.gathered[image])
        gather<Real>(desk.gatherings[source], job, block, desk.tile.height, t, to);
    else if (s.lists.amplitude)
        convolution<Real, true>(desk.meetings[source], job, image, block, t, to);
    else
        convolution<Real, false>(desk.meetings[source], job, image, block, t, to);
}

// All steps of a tile whose neurons take the sums of source `last`. What other sources deliver is added up in memory
// before, but for a lone residual, whose factors are added behind.
template <class Real>
void taken(const Job& job, const Desk<Real>& desk, int64_t block, int64_t image, int last) {
    const Tile<Real>& tile = desk.tile;
    const Gathering<Real>& gathering = desk.gatherings[last];
    Taking<Real>& taking = *desk.taking;
    const Source* other = job.count == 2 ? &job.sources[1 - last] : nullptr;
    const bool residual = other && is_factor(*other) && other->gathered && other->gathered[image] && other->spikes.bits == 1;
    const bool stored = job.count > 1 && !residual;
    taking.passing = residual ? &desk.gatherings[1 - last] : nullptr;
    taking.begin(job, block, image, tile.top);
    Real* potential = (Real*)job.potential + (image * job.rows * job.columns + tile.first_pixel) * job.channels +
                      tile.first_channel;
    for (int t = 0; t < job.steps; ++t) {
        if (t == 0 || job.rest_step) taking.rest(job, block, image, t);
        if (stored) rest<Real>(job, tile, image, t, tile.current);
        for (int i = 0; stored && i < job.count; ++i)
            if (i != last) deliver<Real>(job, desk, block, image, t, i);
        Strips<Real>{gathering, job, block, tile.height, t, potential, job.channels, &taking, stored ? tile.current : nullptr}
            .run();
    }
}

// All steps of a tile whose neurons send frames, but take their currents from memory.
template <class Real>
void stepped(const Job& job, const Desk<Real>& desk, int64_t block, int64_t image) {
    const Tile<Real>& tile = desk.tile;
    Taking<Real>& taking = *desk.taking;
    taking.passing = nullptr;
    taking.begin(job, block, image, tile.top);
    Real* potential = (Real*)job.potential + (image * job.rows * job.columns + tile.first_pixel) * job.channels +
                      tile.first_channel;
    rest<Real>(job, tile, image, 0, tile.current);
    taking.rest(job, block, image, 0);
    for (int t = 0; t < job.steps; ++t) {
        for (int i = 0; i < job.count; ++i) deliver<Real>(job, desk, block, image, t, i);
        if (job.rest_step && t + 1 < job.steps) taking.rest(job, block, image, t + 1);
        taking.step(job, tile.height, t, tile.current, potential);
    }
}

// All steps of a tile whose neurons send frames, on a dense current.
template <class Real>
void direct(const Job& job, const Desk<Real>& desk, int64_t block, int64_t image) {
    const Tile<Real>& tile = desk.tile;
    Taking<Real>& taking = *desk.taking;
    taking.passing = nullptr;
    taking.begin(job, block, image, tile.top);
    const int64_t at = tile.first_pixel * job.rest_pixel + tile.first_channel;
    Real* potential = (Real*)job.potential + (image * job.rows * job.columns + tile.first_pixel) * job.channels;
    taking.steps(job, tile.height, (const Real*)job.rest + image * job.rest_image + at, potential + tile.first_channel);
}

// All steps of a tile that convolutions lead to: step after step.
template <class Real>
void convolutions(const Job& job, const Desk<Real>& desk, int64_t block, int64_t image) {
    const Tile<Real>& tile = desk.tile;
    const bool steady = !job.rest_step && !job.out && job.dynamics < Dynamics::tracer;  // `step` restores the current
    const bool same = !job.threshold_pixel && !job.rest_pixel;
    if (steady) {
        rest<Real>(job, tile, image, 0, tile.base);
        rest<Real>(job, tile, image, 0, tile.current);
    }
    for (int t = 0; t < job.steps; ++t) {
        if (!steady) rest<Real>(job, tile, image, t, tile.current);
        for (int i = 0; i < job.count; ++i) deliver<Real>(job, desk, block, image, t, i);
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

// Whether the rest of a tile is in memory as it would be in the tile: whole blocks, pixel behind pixel.
template <class Real>
bool lies_as_tile(const Job& job, const Tile<Real>& tile) {
    return job.rest_pixel && tile.channels == job.block && (job.block == job.channels || tile.pixels == 1);
}

template <class Real>
int64_t room(const Job& job) {
    Room measured(nullptr);
    const Desk<Real> desk(measured, job);
    return measured.taken();
}

template <class Real>
void run(const Job& job, int64_t block, int64_t image, int64_t number, Line* scratch) {
    Room given(scratch);
    Desk<Real> desk(given, job);
    Tile<Real>& tile = desk.tile;
    tile.place(job, block, number);
    if (sends_frames(job)) {
        if (!job.count) return direct<Real>(job, desk, block, image);
        desk.meet(job, block, image);
        const int last = taken_last(job, image);
        return last < 0 ? stepped<Real>(job, desk, block, image) : taken<Real>(job, desk, block, image, last);
    }
    if (!job.out) begin<Real>(job, tile, image);
    if (!job.count && !job.rest_step && !job.out) {  // a constant current
        rest<Real>(job, tile, image, 0, tile.current);
        fire<Real>(job, tile, 0, 0, job.steps);
    } else if (!job.count && !job.out && lies_as_tile<Real>(job, tile)) {  // a dense current, read where it is
        tile.current = (Real*)job.rest + image * job.rest_image + tile.first_pixel * job.rest_pixel + tile.first_channel;
        fire<Real>(job, tile, job.rest_step, 0, job.steps);
    } else if (job.flat) {
        matrices<Real>(job, tile, block, image);
    } else {
        desk.meet(job, block, image);
        convolutions<Real>(job, desk, block, image);
    }
    if (!job.out) end<Real>(job, tile, image);
}

}  // namespace
}  // namespace respike
