// A matrix on dense images, of which much may be 0: the background of a picture.
#pragma once

#include "lanes.hpp"
#include "room.hpp"

namespace respike {
namespace {

// An input that is not 0: where its weights are, and how much it is.
template <class Real>
struct Present {
    uint32_t weight;
    Real amount;
};

// What `linear` keeps in scratch memory, of as many images.
template <class Real>
struct Looked {
    Present<Real>* present;  // [image][input]
    uint32_t* end;           // [image][rows of weights that are gone through together]
    Real* sums;              // [image][block]

    Looked(Room& room, const Product& p)
        : present(room.take<Present<Real>>(IMAGES_TOGETHER * p.inputs)),
          end(room.take<uint32_t>(IMAGES_TOGETHER * parts_of(p))), sums(room.take<Real>(IMAGES_TOGETHER * p.block)) {}
};

template <class Real>
int64_t linear_room(const Product& p) {
    Room measured(nullptr);
    const Looked<Real> looked(measured, p);
    return measured.taken();
}

// Lists the inputs of an image that are not 0.
template <class Real>
void look(const Product& p, const Real* x, Present<Real>* to, uint32_t* end) {
    using vec = typename Lanes<Real>::vec;
    constexpr int L = lanes<Real>;
    const Present<Real>* begin = to;
    for (int64_t from = 0; from < p.inputs;) {
        const int64_t until = from + ROWS_TOGETHER < p.inputs ? from + ROWS_TOGETHER : p.inputs;
        for (; from + L <= until; from += L)
            for (uint64_t bits = bits_of<Real>(*(const vec*)(x + from) != Real(0)); bits; bits &= bits - 1) {
                const int64_t n = from + first(bits);
                *to++ = {uint32_t(n * p.block), x[n]};
            }
        for (; from < until; ++from)
            if (x[from] != Real(0)) *to++ = {uint32_t(from * p.block), x[from]};
        *end++ = uint32_t(to - begin);
    }
}

// A block of outputs. So many rows of weights that they stay in the first cache are gone through for all images; sums of an
// image are in registers.
template <class Real, int BLOCK>
void linear(const Product& p, const Looked<Real>& looked, int64_t block, int64_t from, int64_t images) {
    using vec = typename Lanes<Real>::vec;
    constexpr int V = BLOCK / lanes<Real>;
    const int64_t parts = parts_of(p), begin = block * BLOCK, count = p.outputs - begin < BLOCK ? p.outputs - begin : BLOCK;
    const Real* weight = (const Real*)p.weight + block * p.inputs * BLOCK;
    for (int64_t n = 0; n < images * BLOCK; ++n) looked.sums[n] = Real(0);
    for (int64_t part = 0; part < parts; ++part)
        for (int64_t image = 0; image < images; ++image) {
            const Present<Real>* list = looked.present + image * p.inputs;
            const uint32_t* end = looked.end + image * parts + part;
            vec* sums = (vec*)(looked.sums + image * BLOCK);
            vec sum[V];
            for (int v = 0; v < V; ++v) sum[v] = sums[v];
            for (uint32_t k = part ? end[-1] : 0; k < end[0]; ++k) {
                const vec* row = (const vec*)(weight + list[k].weight);
                for (int v = 0; v < V; ++v) sum[v] += row[v] * list[k].amount;
            }
            for (int v = 0; v < V; ++v) sums[v] = sum[v];
        }
    for (int64_t image = 0; image < images; ++image) {
        Real* out = (Real*)p.out + (from + image) * p.outputs + begin;
        for (int64_t n = 0; n < count; ++n)
            out[n] = looked.sums[image * BLOCK + n] + (p.bias ? ((const Real*)p.bias)[begin + n] : Real(0));
    }
}

// Some blocks of outputs of some images, at most IMAGES_TOGETHER. Each output is the sum over the inputs that are not 0, one
// after the other, plus the bias.
template <class Real>
void linear(const Product& p, int64_t from, int64_t images, int64_t block, int64_t end, Line* scratch) {
    Room room(scratch);
    const Looked<Real> looked(room, p);
    for (int64_t image = 0; image < images; ++image)
        look<Real>(p, (const Real*)p.x + (from + image) * p.inputs, looked.present + image * p.inputs,
                   looked.end + image * parts_of(p));
    const auto chosen = p.block == PADDING       ? linear<Real, PADDING>
                        : p.block == 2 * PADDING ? linear<Real, 2 * PADDING>
                        : p.block == 3 * PADDING ? linear<Real, 3 * PADDING>
                                                 : linear<Real, MOST_MATRIX_BLOCK>;
    for (; block < end; ++block) chosen(p, looked, block, from, images);
}

}  // namespace
}  // namespace respike
