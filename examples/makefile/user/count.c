// Attaches edge.o to a device and tells every second how many packets had an impossible source, until SIGINT or SIGTERM. Which maps there
// are, and what is in them, it knows from build/edge.h, which xdpc makes from the rules: a map that is gone is an error of the compiler.
//
//     build/count DEVICE [OBJECT]
//
// Licence: Apache-2.0.

#include "edge.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

// The sum over all CPUs; false when the map can't be read.
static int read_counter(int map, edge_value_bogus *sum)
{
    int cpus = libbpf_num_possible_cpus();
    edge_key_bogus key = 0;
    char *values = calloc((size_t)cpus, EDGE_STEP_bogus);
    if (values == NULL || bpf_map_lookup_elem(map, &key, values) != 0) {
        free(values);
        return 0;
    }
    memset(sum, 0, sizeof *sum);
    for (int cpu = 0; cpu < cpus; cpu++) {
        const edge_value_bogus *value = (const edge_value_bogus *)(values + (size_t)cpu * EDGE_STEP_bogus);
        sum->packets += value->packets;
        sum->bytes += value->bytes;
    }
    free(values);
    return 1;
}

int main(int argc, char **argv)
{
    unsigned device = argc < 2 ? 0 : if_nametoindex(argv[1]);
    if (device == 0) {
        fprintf(stderr, "usage: %s DEVICE [OBJECT]\n", argv[0]);
        return 2;
    }
    struct bpf_object *object = bpf_object__open_file(argc > 2 ? argv[2] : "build/edge.o", NULL);
    if (object == NULL || bpf_object__load(object) != 0) return 1;
    int program = bpf_program__fd(bpf_object__find_program_by_name(object, EDGE_PROGRAM_xdp_edge));
    int map = bpf_object__find_map_fd_by_name(object, EDGE_MAP_bogus);
    if (bpf_xdp_attach((int)device, program, 0, NULL) != 0) {
        perror(argv[1]);
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    edge_value_bogus sum;
    while (!stopped && read_counter(map, &sum)) {
        printf("%llu packets, %llu bytes\n", (unsigned long long)sum.packets, (unsigned long long)sum.bytes);
        fflush(stdout);
        sleep(1);
    }
    bpf_xdp_detach((int)device, 0, NULL);
    bpf_object__close(object);
    return stopped ? 0 : 1;
}
