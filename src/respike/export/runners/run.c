/* Runs the network of this folder in plain C, and compares it with the golden vectors, bit for bit.
 *
 *     cc -O2 -std=c99 -ffp-contract=off run.c -lm -o run && ./run          # 0 where all is equal, 1 where not
 *     ./run inputs.npy                                                     # outputs for inputs of your own
 *
 * program.txt lists what is computed in each time step, one operation a line; README.txt says what each means.
 * arithmetic.h says what a value is: a 64-bit integer that saturates at LOW and HIGH, or a double. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arithmetic.h"

enum { OPS = 4096, NUMBERS = 24 };
typedef struct { long length; value *at; } array;
typedef struct {
    char kind[16], rule[16];
    long n[NUMBERS];
    array first, second; /* weights and biases, or thresholds and initial potentials */
    value *state, *more; /* what the operation keeps between steps */
} op;

static op ops[OPS];
static array values[OPS], golden[OPS], inputs;
static double *outputs, *spike_value;
static long spike_values, count, phases[64][3], phase_count, out, after, steps;
static double decoding;

static void die(const char *what, const char *which) {
    fprintf(stderr, "%s %s\n", what, which);
    exit(2);
}

static double *numbers(const char *path, long *length) { /* of a .npy file of this machine's byte order */
    unsigned char head[10];
    *length = 0;
    if (!strcmp(path, "-")) return NULL;
    FILE *file = fopen(path, "rb");
    if (!file || fread(head, 1, 10, file) != 10 || memcmp(head, "\x93NUMPY\x01", 7)) die("cannot read", path);
    long start = 10 + head[8] + 256L * head[9];
    char *text = calloc(start, 1);
    if (fread(text, 1, start - 10, file) != (size_t)(start - 10)) die("cannot read", path);
    char type = strstr(text, "'descr': '")[11];
    long size = strstr(text, "'descr': '")[12] - '0';
    fseek(file, 0, SEEK_END);
    *length = (ftell(file) - start) / size;
    double *found = malloc(sizeof(double) * (*length + 1));
    fseek(file, start, SEEK_SET);
    for (long i = 0; i < *length; i++) {
        union { int8_t i1; int16_t i2; int32_t i4; int64_t i8; float f4; double f8; char bytes[8]; } one;
        if (fread(one.bytes, 1, size, file) != (size_t)size) die("cannot read", path);
        if (type == 'f') found[i] = size == 4 ? one.f4 : one.f8;
        else found[i] = size == 1 ? one.i1 : size == 2 ? one.i2 : size == 4 ? one.i4 : (double)one.i8;
    }
    free(text);
    fclose(file);
    return found;
}

static array load(const char *path) {
    array found;
    double *read = numbers(path, &found.length);
    found.at = read ? malloc(sizeof(value) * (found.length + 1)) : NULL;
    for (long i = 0; i < found.length; i++) found.at[i] = (value)read[i];
    free(read);
    return found;
}

static void program(void) {
    char word[16], path[4096], other[4096];
    FILE *file = fopen("program.txt", "r");
    if (!file) die("cannot read", "program.txt");
    while (fscanf(file, "%15s", word) == 1) {
        if (!strcmp(word, "phase")) {
            long *phase = phases[phase_count++];
            if (fscanf(file, "%ld %ld %ld", phase, phase + 1, phase + 2) != 3) die("cannot read", word);
            steps += phase[0];
        } else if (!strcmp(word, "readout")) {
            if (fscanf(file, "%ld %lf %4095s %ld", &out, &decoding, path, &after) != 4) die("cannot read", word);
            spike_value = numbers(path, &spike_values);
        } else if (!strcmp(word, "spikes")) {
            long node;
            if (fscanf(file, "%ld %4095s", &node, path) != 2) die("cannot read", word);
            golden[node] = load(path);
        } else if (!strcmp(word, "inputs") || !strcmp(word, "outputs")) {
            if (fscanf(file, "%4095s", path) != 1) die("cannot read", word);
            long length;
            if (word[0] == 'i') inputs = load(path);
            else outputs = numbers(path, &length);
        } else {
            op *o = &ops[count++];
            long listed;
            strcpy(o->kind, word);
            if (fscanf(file, "%15s %4095s %4095s %ld", o->rule, path, other, &listed) != 4) die("cannot read", word);
            for (long i = 0; i < listed; i++)
                if (fscanf(file, "%ld", &o->n[i]) != 1) die("cannot read", word);
            o->first = load(path);
            o->second = load(other);
            array made = {o->n[1], calloc(o->n[1], sizeof(value))};
            values[o->n[0]] = made;
        }
    }
    fclose(file);
}

static value held(value v) { return LOW == HIGH ? v : v < LOW ? LOW : v > HIGH ? HIGH : v; }

static void fire(op *o, value *y, const value *x) {
    long size = o->n[1];
    for (long i = 0; i < size; i++) {
        value threshold = o->first.at[i / (size / o->first.length)], v = held(o->state[i] + x[i]), z = 0;
        if (!strcmp(o->rule, "several")) {
            z = v > 0 ? WHOLE(v / threshold) : 0;
            if (z > o->n[4]) z = o->n[4];
        } else if (!strcmp(o->rule, "either")) {
            z = (v >= threshold && (!o->n[4] || o->more[i] < o->n[4])) - (v < 0 && o->more[i] > 0);
            o->more[i] += z;
        } else z = o->n[3] ? v > threshold : v >= threshold;
        if (strcmp(o->rule, "value")) v -= threshold * z;
        else if (z) v = o->second.at[o->second.length - 1];
        o->state[i] = v;
        y[i] = z;
    }
}

static void conv(op *o, value *y, const value *x, int bias) {
    long *n = o->n, cin = n[3], h = n[4], w = n[5], cout = n[6], ho = n[7], wo = n[8], kh = n[9], kw = n[10];
    long ci = cin / n[17], co = cout / n[17];
    for (long c = 0; c < cout; c++)
        for (long i = 0; i < ho; i++)
            for (long j = 0; j < wo; j++) {
                value sum = 0;
                for (long p = 0; p < kh; p++)
                    for (long q = 0; q < kw; q++) {
                        long row = i * n[11] - n[13] + p * n[15], column = j * n[12] - n[14] + q * n[16];
                        if (row < 0 || row >= h || column < 0 || column >= w) continue;
                        for (long k = 0; k < ci; k++)
                            sum += o->first.at[((c * ci + k) * kh + p) * kw + q] * x[((c / co * ci + k) * h + row) * w + column];
                    }
                y[(c * ho + i) * wo + j] = bias && o->second.length ? sum + o->second.at[c] : sum;
            }
}

static void pool(op *o, value *y, const value *x, int most) { /* sums or maxima of windows */
    long *n = o->n, h = n[4], w = n[5], ho = n[7], wo = n[8];
    for (long c = 0; c < n[3]; c++)
        for (long i = 0; i < ho; i++)
            for (long j = 0; j < wo; j++) {
                value found = 0;
                int any = 0;
                for (long p = 0; p < n[9]; p++)
                    for (long q = 0; q < n[10]; q++) {
                        long row = i * n[11] - n[13] + p * n[15], column = j * n[12] - n[14] + q * n[16];
                        if (row < 0 || row >= h || column < 0 || column >= w) continue;
                        value one = x[(c * h + row) * w + column];
                        found = !most ? found + one : !any || one > found ? one : found;
                        any = 1;
                    }
                y[(c * ho + i) * wo + j] = found;
            }
}

static void run(op *o, const value *image, int input_on, int bias_on) {
    value *y = values[o->n[0]].at;
    const value *x = values[o->n[2]].at;
    long size = o->n[1];
    if (!strcmp(o->kind, "input")) for (long i = 0; i < size; i++) y[i] = input_on ? image[i] : 0;
    else if (!strcmp(o->kind, "fire")) fire(o, y, x);
    else if (!strcmp(o->kind, "conv")) conv(o, y, x, bias_on);
    else if (!strcmp(o->kind, "sum")) pool(o, y, x, 0);
    else if (!strcmp(o->kind, "shift")) for (long i = 0; i < size; i++) y[i] = bias_on ? x[i] + o->first.at[i] : x[i];
    else if (!strcmp(o->kind, "add")) for (long i = 0; i < size; i++) y[i] = x[i] + values[o->n[3]].at[i];
    else if (!strcmp(o->kind, "join")) {
        memcpy(y, x, sizeof(value) * values[o->n[2]].length);
        memcpy(y + values[o->n[2]].length, values[o->n[3]].at, sizeof(value) * values[o->n[3]].length);
    } else if (!strcmp(o->kind, "gather"))
        for (long i = 0; i < size; i++) y[i] = o->first.at[i] < 0 ? 0 : x[(long)o->first.at[i]];
    else if (!strcmp(o->kind, "linear"))
        for (long r = 0; r < o->n[3]; r++)
            for (long j = 0; j < o->n[5]; j++) {
                value sum = 0;
                for (long k = 0; k < o->n[4]; k++) sum += o->first.at[j * o->n[4] + k] * x[r * o->n[4] + k];
                y[r * o->n[5] + j] = bias_on && o->second.length ? sum + o->second.at[j] : sum;
            }
    else if (!strcmp(o->rule, "accumulated")) { /* max: by how much the maximum of the accumulated currents grew */
        for (long i = 0; i < values[o->n[2]].length; i++) o->more[i] = held(o->more[i] + x[i]);
        pool(o, y, o->more, 1);
        for (long i = 0; i < size; i++) {
            value now = y[i];
            y[i] -= o->state[i];
            o->state[i] = now;
        }
    } else pool(o, y, x, 1);
}

static void start(op *o) {
    long size = o->n[1], more = strcmp(o->kind, "max") ? size : values[o->n[2]].length;
    if (!o->state) o->state = malloc(sizeof(value) * size), o->more = malloc(sizeof(value) * more);
    memset(o->more, 0, sizeof(value) * more);
    for (long i = 0; i < size; i++) /* the last of the second array is the value of a reset, where it has one */
        o->state[i] = strcmp(o->kind, "fire") ? 0 : o->second.at[i / (size / (o->second.length - 1))];
}

int main(int given, char **arguments) {
    program();
    int check = given < 2;
    if (!check) inputs = load(arguments[1]);
    long size = ops[0].n[1], times = ops[0].n[3] ? steps : 1, images = inputs.length / size / times, spikes = 0;
    long classes = values[out].length;
    value *total = malloc(sizeof(value) * classes), *early = malloc(sizeof(value) * classes);
    for (long image = 0; image < images; image++) {
        for (long i = 0; i < count; i++) start(&ops[i]);
        memset(total, 0, sizeof(value) * classes);
        memset(early, 0, sizeof(value) * classes);
        long step = 0;
        for (long p = 0; p < phase_count; p++)
            for (long s = 0; s < phases[p][0]; s++, step++) {
                value *x = inputs.at + (image * times + (times > 1 ? step : 0)) * size;
                for (long i = 0; i < count; i++) {
                    run(&ops[i], x, phases[p][1], phases[p][2]);
                    long node = ops[i].n[0], length = ops[i].n[1];
                    if (!check || !golden[node].at) continue;
                    for (long k = 0; k < length; k++) {
                        value wanted = golden[node].at[(image * steps + step) * length + k];
                        spikes += wanted != 0;
                        if (values[node].at[k] != wanted) {
                            printf("operation %ld, image %ld, step %ld, neuron %ld: differs\n", node, image, step + 1, k);
                            return 1;
                        }
                    }
                }
                for (long k = 0; k < classes; k++) total[k] += values[out].at[k];
                if (step + 1 == after) memcpy(early, total, sizeof(value) * classes);
            }
        for (long k = 0; k < classes; k++) {
            double sent = spike_value ? spike_value[spike_values > 1 ? k : 0] : 1.0;
            float output = (float)((double)(total[k] - early[k]) * sent / decoding);
            if (!check) printf("%.9g%c", output, k + 1 < classes ? ' ' : '\n');
            else if (output != (float)outputs[image * classes + k]) {
                printf("output %ld of image %ld: %.9g differs\n", k, image, output);
                return 1;
            }
        }
    }
    if (check) printf("%ld images, %ld steps, %ld spikes, %ld outputs: all equal\n", images, steps, spikes, images * classes);
    return 0;
}
