// Scratch memory of a worker, handed out piece by piece.
#pragma once

#include "kernels.hpp"

namespace respike {
namespace {

// Pieces start at cache lines. Without memory it only measures: `taken` is then what the pieces need.
class Room {
  public:
    explicit Room(Line* memory) : memory_((char*)memory) {}

    template <class T>
    T* take(int64_t count) {
        char* piece = memory_ ? memory_ + taken_ : nullptr;
        taken_ += (count * int64_t(sizeof(T)) + int64_t(sizeof(Line)) - 1) / int64_t(sizeof(Line)) * int64_t(sizeof(Line));
        return (T*)piece;
    }

    int64_t taken() const { return taken_; }

  private:
    char* memory_;
    int64_t taken_ = 0;
};

}  // namespace
}  // namespace respike
