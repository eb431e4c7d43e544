// A loop shared by threads that live as long as the loop: nothing stays behind between calls (no pool, no fork trouble).
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace respike {

// Calls body(worker, item) for every item; `worker` counts from 0 to threads - 1. Items go to whoever is free. What a
// body throws is thrown here, after all workers have stopped.
template <class Body>
void parallel(int threads, int64_t items, const Body& body) {
    if (threads > items) threads = int(items);
    if (threads <= 1) {
        for (int64_t item = 0; item < items; ++item) body(0, item);
        return;
    }
    std::atomic<int64_t> next{0};
    std::exception_ptr failure;
    std::mutex failing;
    auto work = [&](int worker) {
        try {
            for (int64_t item; (item = next.fetch_add(1)) < items;) body(worker, item);
        } catch (...) {
            next = items;
            const std::lock_guard<std::mutex> lock(failing);
            failure = std::current_exception();
        }
    };
    std::vector<std::thread> others;
    others.reserve(threads - 1);
    try {
        for (int worker = 1; worker < threads; ++worker) others.emplace_back(work, worker);
    } catch (const std::system_error&) {
        // The system gives no more threads: those that there are do the work.
    }
    work(0);
    for (auto& thread : others) thread.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace respike
