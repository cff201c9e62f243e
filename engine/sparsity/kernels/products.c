/* Products with a sparse matrix whose values and indices alone are stored.

   Activations are feature-major: row f of a matrix holds feature f of every sample, one after the other, so that one
   active weight is one broadcast and a few vector operations over the samples. A vector is as wide as the processor's;
   8 of them (128 samples of float32 with AVX-512) stay in registers while a row of weights is gone through.

   Each output is computed by one thread, in the order of the weights. Results are therefore the same bits for any
   number of threads.

   This file includes itself once for each type. */

#ifndef REAL

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

#define BLOCK 8 /* vectors of samples that stay in registers */
#define AHEAD 4 /* weights between asking for a row of activations and using it */
#ifdef __has_builtin
#if __has_builtin(__builtin_shufflevector)
#define SHUFFLES
#endif
#endif
#define LOW(lane, bit) ((lane) & (bit) ? LANES + (lane) - (bit) : (lane))
#define HIGH(lane, bit) ((lane) & (bit) ? LANES + (lane) : (lane) + (bit))
#define INLINE static inline __attribute__((always_inline))

/* The first row of a thread's part: rows are divided so that each part has the same number of weights. */
static int64_t first_row(const int64_t *start, int64_t rows, int part, int parts) {
    if (part == 0)
        return 0;
    if (part == parts)
        return rows;
    int64_t wanted = start[rows] / parts * part + start[rows] % parts * part / parts;
    int64_t low = 0, high = rows;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (start[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Index arrays of a matrix from the flat, ascending indices of its active weights.

   start[r] .. start[r + 1] are the weights of row r, in the order of `flat`, with their columns; column_start[c] ..
   column_start[c + 1] are those of column c, with their rows and their places in `flat`. */
void index_arrays(int64_t active, int64_t rows, int64_t columns, const int64_t *flat, int64_t *start, int32_t *column,
                  int64_t *column_start, int32_t *row, int32_t *place) {
    memset(column_start, 0, (columns + 1) * sizeof(int64_t));
    int64_t k = 0;
    for (int64_t r = 0; r < rows; r++) {
        int64_t first = r * columns, behind = first + columns;
        start[r] = k;
        for (; k < active && flat[k] < behind; k++) {
            int32_t c = (int32_t)(flat[k] - first);
            column[k] = c;
            column_start[c + 1]++;
        }
    }
    start[rows] = k;
    for (int64_t c = 0; c < columns; c++)
        column_start[c + 1] += column_start[c];
    /* column_start[c] is the next free place of column c while they are filled, and is moved back afterwards. */
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = start[r]; i < start[r + 1]; i++) {
            int64_t to = column_start[column[i]]++;
            row[to] = (int32_t)r;
            place[to] = (int32_t)i;
        }
    for (int64_t c = columns; c > 0; c--)
        column_start[c] = column_start[c - 1];
    column_start[0] = 0;
}

#define REAL float
#define REAL_BYTES 4
#define NAME(name) name##_float32
#include "products.c"
#undef REAL
#undef REAL_BYTES
#undef NAME

#define REAL double
#define REAL_BYTES 8
#define NAME(name) name##_float64
#include "products.c"

#else

#define VECTOR NAME(vector)
#define LANES (VECTOR_BYTES / REAL_BYTES)

/* Aligned as its elements are: any address can be read. */
typedef REAL VECTOR __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(REAL)), may_alias));
typedef REAL NAME(aligned_vector) __attribute__((vector_size(VECTOR_BYTES)));

/* Asks for the row of activations that is needed some weights later: no hardware foresees where it is. */
INLINE void NAME(fetch)(const int width, const REAL *row) {
    for (int line = 0; line < (width * VECTOR_BYTES + 63) / 64; line++)
        __builtin_prefetch((const char *)row + line * 64);
}

/* out[0 .. width vectors] = offset + sum of value · in[other] over the weights of one row. */
INLINE void NAME(row_of_vectors)(const int width, int64_t begin, int64_t end, const int32_t *other,
                                 const int32_t *place, const REAL *value, const REAL *in, int64_t batch, REAL offset,
                                 REAL *out) {
    NAME(aligned_vector) sum[BLOCK];
#pragma GCC unroll 8
    for (int i = 0; i < width; i++)
        sum[i] = (NAME(aligned_vector)){0} + offset;
    for (int64_t k = begin; k < end; k++) {
        const REAL weight = value[place ? place[k] : k];
        const VECTOR *x = (const VECTOR *)(in + other[k] * batch);
        NAME(fetch)(width, in + other[k + AHEAD < end ? k + AHEAD : begin] * batch);
#pragma GCC unroll 8
        for (int i = 0; i < width; i++)
            sum[i] += weight * x[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < width; i++)
        ((VECTOR *)out)[i] = sum[i];
}

/* The same for fewer samples than a vector has lanes. */
INLINE void NAME(row_of_few)(int64_t few, int64_t begin, int64_t end, const int32_t *other, const int32_t *place,
                             const REAL *value, const REAL *in, int64_t batch, REAL offset, REAL *out) {
    if (few == 1) {
        /* Single loads, several sums: the processor's own gather instruction is slower on many machines. */
        REAL sum[4] = {0};
        int64_t k = begin;
        for (; k + 4 <= end; k += 4)
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                sum[i] += value[place ? place[k + i] : k + i] * in[other[k + i] * batch];
        for (; k < end; k++)
            sum[0] += value[place ? place[k] : k] * in[other[k] * batch];
        out[0] = offset + ((sum[0] + sum[1]) + (sum[2] + sum[3]));
        return;
    }
    REAL sum[LANES];
    for (int64_t i = 0; i < few; i++)
        sum[i] = offset;
    for (int64_t k = begin; k < end; k++) {
        const REAL weight = value[place ? place[k] : k];
        const REAL *x = in + other[k] * batch;
        for (int64_t i = 0; i < few; i++)
            sum[i] += weight * x[i];
    }
    for (int64_t i = 0; i < few; i++)
        out[i] = sum[i];
}

INLINE void NAME(rows_of)(int64_t from, int64_t to, int64_t batch, const int64_t *start, const int32_t *other,
                          const int32_t *place, const REAL *value, const REAL *offset, const REAL *in, REAL *out) {
    int64_t done = 0;
#define ROWS(width)                                                                                                  \
    for (int64_t r = from; r < to; r++)                                                                              \
        NAME(row_of_vectors)(width, start[r], start[r + 1], other, place, value, in + done, batch,                   \
                             offset ? offset[r] : 0, out + r * batch + done);                                        \
    done += width * LANES;
    while (batch - done >= 8 * LANES) {
        ROWS(8)
    }
    if (batch - done >= 4 * LANES) {
        ROWS(4)
    }
    if (batch - done >= 2 * LANES) {
        ROWS(2)
    }
    if (batch - done >= LANES) {
        ROWS(1)
    }
#undef ROWS
    if (batch == 1) /* said so, the compiler leaves the multiplications by it out */
        for (int64_t r = from; r < to; r++)
            NAME(row_of_few)(1, start[r], start[r + 1], other, place, value, in, 1, offset ? offset[r] : 0, out + r);
    else if (batch > done)
        for (int64_t r = from; r < to; r++)
            NAME(row_of_few)(batch - done, start[r], start[r + 1], other, place, value, in + done, batch,
                             offset ? offset[r] : 0, out + r * batch + done);
}

/* out (rows × batch) = offset + W · in, W by rows. */
void NAME(product)(int64_t rows, int64_t batch, const int64_t *start, const int32_t *column, const REAL *value,
                   const REAL *offset, const REAL *in, REAL *out, int threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int part = 0; part < threads; part++)
        NAME(rows_of)(first_row(start, rows, part, threads), first_row(start, rows, part + 1, threads), batch, start,
                      column, 0, value, offset, in, out);
}

/* out (columns × batch) = Wᵀ · in, W by columns, its values in the order of rows. */
void NAME(transposed_product)(int64_t columns, int64_t batch, const int64_t *column_start, const int32_t *row,
                              const int32_t *place, const REAL *value, const REAL *in, REAL *out, int threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int part = 0; part < threads; part++)
        NAME(rows_of)(first_row(column_start, columns, part, threads),
                      first_row(column_start, columns, part + 1, threads), batch, column_start, row, place, value, 0,
                      in, out);
}

#undef EACH_LANE
#if LANES == 16
#define EACH_LANE(f, bit)                                                                                            \
    f(0, bit), f(1, bit), f(2, bit), f(3, bit), f(4, bit), f(5, bit), f(6, bit), f(7, bit), f(8, bit), f(9, bit),    \
        f(10, bit), f(11, bit), f(12, bit), f(13, bit), f(14, bit), f(15, bit)
#elif LANES == 8
#define EACH_LANE(f, bit) f(0, bit), f(1, bit), f(2, bit), f(3, bit), f(4, bit), f(5, bit), f(6, bit), f(7, bit)
#elif LANES == 4
#define EACH_LANE(f, bit) f(0, bit), f(1, bit), f(2, bit), f(3, bit)
#else
#define EACH_LANE(f, bit) f(0, bit), f(1, bit)
#endif

/* A square of as many vectors as a vector has lanes, turned within registers: at each stage the elements whose row and
   column differ in one bit change places. */
INLINE void NAME(turn)(NAME(aligned_vector) *line) {
#ifdef SHUFFLES
#define STAGE(bit)                                                                                                   \
    _Pragma("GCC unroll 16") for (int i = 0; i < LANES; i++) if (!(i & bit)) {                                       \
        NAME(aligned_vector) first = line[i], second = line[i + bit];                                                \
        line[i] = __builtin_shufflevector(first, second, EACH_LANE(LOW, bit));                                       \
        line[i + bit] = __builtin_shufflevector(first, second, EACH_LANE(HIGH, bit));                                \
    }
    STAGE(1)
#if LANES > 2
    STAGE(2)
#endif
#if LANES > 4
    STAGE(4)
#endif
#if LANES > 8
    STAGE(8)
#endif
#undef STAGE
#else
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < i; j++) {
            REAL element = line[i][j];
            line[i][j] = line[j][i];
            line[j][i] = element;
        }
#endif
}

/* The sums over the lanes of each of some vectors, as many as a vector has lanes. */
INLINE NAME(aligned_vector) NAME(totals)(NAME(aligned_vector) *part) {
    NAME(turn)(part);
#pragma GCC unroll 4
    for (int half = LANES / 2; half; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; i++)
            part[i] += part[i + half];
    return part[0];
}

INLINE REAL NAME(total)(NAME(aligned_vector) sum) {
    REAL result = 0;
    REAL lane[LANES];
    memcpy(lane, &sum, VECTOR_BYTES);
#pragma omp simd reduction(+ : result)
    for (int i = 0; i < LANES; i++)
        result += lane[i];
    return result;
}

/* The products of a block of samples, each lane its own part of them. */
INLINE NAME(aligned_vector) NAME(sampled_part)(const int width, const NAME(aligned_vector) *g, const VECTOR *x) {
    NAME(aligned_vector) even = g[0] * x[0];
    if (width == 1)
        return even;
    NAME(aligned_vector) odd = g[1] * x[1];
#pragma GCC unroll 8
    for (int i = 2; i < width; i += 2) {
        even += g[i] * x[i];
        odd += g[i + 1] * x[i + 1];
    }
    return even + odd;
}

/* gradient[k] += up · in[column[k]] for the weights of one row, over a block of samples. */
INLINE void NAME(sampled_vectors)(const int width, int64_t begin, int64_t end, const int32_t *column, const REAL *up,
                                  const REAL *in, int64_t batch, REAL *gradient) {
    NAME(aligned_vector) g[BLOCK], part[LANES];
#pragma GCC unroll 8
    for (int i = 0; i < width; i++)
        g[i] = ((const VECTOR *)up)[i];
    int64_t k = begin;
    for (; k + LANES <= end; k += LANES) {
        for (int j = 0; j < LANES; j++) {
            NAME(fetch)(width, in + column[k + j + AHEAD < end ? k + j + AHEAD : begin] * batch);
            part[j] = NAME(sampled_part)(width, g, (const VECTOR *)(in + column[k + j] * batch));
        }
        *(VECTOR *)(gradient + k) += NAME(totals)(part);
    }
    if (end - k > 2) { /* a part of a square is still quicker than one sum after the other */
        for (int j = 0; j < LANES; j++)
            part[j] = k + j < end ? NAME(sampled_part)(width, g, (const VECTOR *)(in + column[k + j] * batch))
                                  : (NAME(aligned_vector)){0};
        NAME(aligned_vector) sum = NAME(totals)(part);
        for (int j = 0; k < end; j++, k++)
            gradient[k] += sum[j];
    }
    for (; k < end; k++)
        gradient[k] += NAME(total)(NAME(sampled_part)(width, g, (const VECTOR *)(in + column[k] * batch)));
}

INLINE void NAME(sampled_rows)(int64_t from, int64_t to, int64_t batch, const int64_t *start, const int32_t *column,
                               const REAL *up, const REAL *in, REAL *gradient, REAL *offset_gradient) {
    memset(gradient + start[from], 0, (start[to] - start[from]) * sizeof(REAL));
    int64_t done = 0;
#define SAMPLED(width)                                                                                               \
    for (int64_t r = from; r < to; r++)                                                                              \
        NAME(sampled_vectors)(width, start[r], start[r + 1], column, up + r * batch + done, in + done, batch,        \
                              gradient);                                                                             \
    done += width * LANES;
    while (batch - done >= 8 * LANES) {
        SAMPLED(8)
    }
    if (batch - done >= 4 * LANES) {
        SAMPLED(4)
    }
    if (batch - done >= 2 * LANES) {
        SAMPLED(2)
    }
    if (batch - done >= LANES) {
        SAMPLED(1)
    }
#undef SAMPLED
    if (batch == 1)
        for (int64_t r = from; r < to; r++)
            for (int64_t k = start[r]; k < start[r + 1]; k++)
                gradient[k] = up[r] * in[column[k]];
    else if (batch > done)
        for (int64_t r = from; r < to; r++)
            for (int64_t k = start[r]; k < start[r + 1]; k++) {
                const REAL *x = in + column[k] * batch, *g = up + r * batch;
                REAL sum = 0;
                for (int64_t i = done; i < batch; i++)
                    sum += g[i] * x[i];
                gradient[k] += sum;
            }
    if (offset_gradient)
        for (int64_t r = from; r < to; r++) {
            const REAL *g = up + r * batch;
            REAL sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = 0; i < batch; i++)
                sum += g[i];
            offset_gradient[r] = sum;
        }
}

/* The gradient of the active weights alone: gradient[k] = sum over the samples of up[row] · in[column[k]]; and that of
   the offset. up: rows × batch, the gradient of the output. */
void NAME(sampled_product)(int64_t rows, int64_t batch, const int64_t *start, const int32_t *column, const REAL *up,
                           const REAL *in, REAL *gradient, REAL *offset_gradient, int threads) {
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static, 1)
    for (int part = 0; part < threads; part++)
        NAME(sampled_rows)(first_row(start, rows, part, threads), first_row(start, rows, part + 1, threads), batch,
                           start, column, up, in, gradient, offset_gradient);
}

INLINE void NAME(turn_square)(const REAL *in, int64_t in_stride, REAL *out, int64_t out_stride) {
    NAME(aligned_vector) line[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        line[i] = *(const VECTOR *)(in + i * in_stride);
    NAME(turn)(line);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        *(VECTOR *)(out + i * out_stride) = line[i];
}

/* out (columns × rows) = the transposed of in (rows × columns), by squares of whole cache lines. */
void NAME(transpose)(int64_t rows, int64_t columns, const REAL *in, REAL *out, int threads) {
    const int64_t side = 64 / sizeof(REAL);
    const int64_t whole_rows = rows - rows % side, whole_columns = columns - columns % side;
#pragma omp parallel for num_threads(threads) if (threads > 1) schedule(static) collapse(2)
    for (int64_t r = 0; r < whole_rows; r += side)
        for (int64_t c = 0; c < whole_columns; c += side)
            for (int64_t i = 0; i < side; i += LANES)
                for (int64_t j = 0; j < side; j += LANES)
                    NAME(turn_square)(in + (r + j) * columns + c + i, columns, out + (c + i) * rows + r + j, rows);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
            out[c * rows + r] = in[r * columns + c];
}

#undef VECTOR
#undef LANES

#endif
