// The unit of a quantiser that loses least, among some, over histograms.
#pragma once

#include "lanes.hpp"

namespace respike {
namespace {

// What V vectors of units lose over a row's bins: the sum over edges of what the density loses there, times the integral of the
// quantiser's squared error from 0 to the edge (calibrate/rounding.py). From the largest edge down, one at a time, so that
// every processor adds in the same order. Where what lies above an edge makes all of them lose `least` or more, they are left
// alone. Bins below `from` give zero with all of them, and lose `lost`.
template <int V>
void squared_errors(const Units& u, int64_t row, int64_t from, double lost, const double* units, double least, double* errors) {
    using vec = Lanes<double>::vec;
    using mask = Lanes<double>::mask;
    constexpr int L = lanes<double>, every = 32;
    const double *density = u.density + row * u.bins, rest = 1 - u.offset;
    const vec cubed = vec{} + (rest * rest * rest + u.offset * u.offset * u.offset), whole = vec{} + 4503599627370496.0;  // 2^52
    vec inverse[V], scale[V], sum[V];
    for (int v = 0; v < V; ++v) {
        const vec unit = ((const vec*)units)[v];
        inverse[v] = 1.0 / unit, scale[v] = unit * unit * unit / 3.0, sum[v] = vec{};
    }
    const auto integral = [&](int64_t edge, int v) {
        const vec q = u.edges[edge] * inverse[v], most = vec{} + u.levels;
        vec above = q + u.offset;
        above = above < most ? above : most;
        vec cell = (above + whole) - whole;
        cell -= (vec)((mask)(vec{} + 1.0) & (cell > above));
        const vec inside = q - cell;
        return inside * inside * inside + cell * cubed;
    };
    for (int64_t e = u.bins; e > from; --e) {
        const double weight = density[e - 1] - (e < u.bins ? density[e] : 0.0);
        if (weight != 0)
            for (int v = 0; v < V; ++v) sum[v] += integral(e, v) * weight;
        if (e % every) continue;
        mask worse = mask{} - 1;
        for (int v = 0; v < V; ++v) worse &= (sum[v] - integral(e - 1, v) * density[e - 1]) * scale[v] >= least;
        bool all = true;
        for (int l = 0; l < L; ++l) all &= worse[l] != 0;
        if (!all) continue;
        for (int i = 0; i < V * L; ++i) errors[i] = least;
        return;
    }
    for (int v = 0; v < V; ++v)
        ((vec*)errors)[v] = (sum[v] - (from < u.bins ? integral(from, v) * density[from] : vec{})) * scale[v] + lost;
}

// The first edge whose bin some unit from `smallest` on does not round to zero as a whole.
int64_t first_edge(const Units& u, double smallest) {
    int64_t from = 0;
    while (from < u.bins && u.edges[from + 1] < smallest * (1 - u.offset)) ++from;
    return from;
}

double smallest_of(const double* units, int64_t count) {
    double smallest = units[0];
    for (int64_t k = 1; k < count; ++k) smallest = units[k] < smallest ? units[k] : smallest;
    return smallest;
}

// The best of a row's units; the first of those as good.
void least_squares(const Units& u, int64_t row) {
    constexpr int L = lanes<double>, V = 4;
    const double *units = u.units + row * u.count, *density = u.density + row * u.bins;
    const int64_t first = first_edge(u, smallest_of(units, u.count));
    double tried[V * L], errors[V * L], least = __builtin_inf();
    int64_t best = 0;
    for (int64_t k = 0; k < u.count; k += V * L) {
        const int64_t some = u.count - k < V * L ? u.count - k : V * L, from = first_edge(u, smallest_of(units + k, some));
        double lost = 0;
        for (int64_t b = first; b < from; ++b) {
            const double low = u.edges[b], high = u.edges[b + 1];
            lost += density[b] * (high * high * high - low * low * low) / 3;
        }
        for (int64_t i = 0; i < V * L; ++i) tried[i] = units[k + (i < some ? i : some - 1)];
        if (some > L)
            squared_errors<V>(u, row, from, lost, tried, least, errors);
        else
            squared_errors<1>(u, row, from, lost, tried, least, errors);
        for (int64_t i = 0; i < some; ++i)
            if (errors[i] < least) least = errors[i], best = k + i;
    }
    u.best[row] = units[best];
}

}  // namespace
}  // namespace respike
