// A loop shared by threads that live as long as the loop: nothing stays behind between calls (no pool, no fork trouble).
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <thread>
#include <vector>

namespace respike {

// Calls body(worker, item) for every item; `worker` counts from 0 to threads - 1. Items go to whoever is free.
template <class Body>
void parallel(int threads, int64_t items, const Body& body) {
    if (threads > items) threads = int(items);
    if (threads <= 1) {
        for (int64_t item = 0; item < items; ++item) body(0, item);
        return;
    }
    std::atomic<int64_t> next{0};
    auto work = [&](int worker) {
        for (int64_t item; (item = next.fetch_add(1)) < items;) body(worker, item);
    };
    std::vector<std::thread> others;
    for (int worker = 1; worker < threads; ++worker) others.emplace_back(work, worker);
    work(0);
    for (auto& thread : others) thread.join();
}

}  // namespace respike
