// Compiled once per instruction set: RESPIKE_SET names the table, RESPIKE_VECTOR the bytes of a vector.
// Nothing of the standard library is instantiated here, so that no other object can pick up this one's instructions.
#include "frames.hpp"
#include "linear.hpp"
#include "lists.hpp"
#include "statistics.hpp"
#include "tiles.hpp"
#include "units.hpp"
#include "window.hpp"
#include "words.hpp"

namespace respike {

extern const Set RESPIKE_SET;
const Set RESPIKE_SET = {
    {sort<float>, room<float>, run<float>, decode<float>, encode<float>, add_counts<float>, linear_room<float>, linear<float>, few<float>},
    {sort<double>, room<double>, run<double>, decode<double>, encode<double>, add_counts<double>, linear_room<double>, linear<double>, few<double>},
    pool,
    count,
    to_frames,
    sort_frames,
    to_words,
    pool_frames,
    clear_margins,
    count_frames,
    add_up,
    observe,
    least_squares,
};

}  // namespace respike
