// Writes what capture.xdp samples into a file for tcpdump and its like: attaches the object to a device, puts the given ports into its
// set `ports` and reads its ring buffer.
//
//     ./capture [-S] [-n COUNT] DEVICE OBJECT FILE PORT...        (FILE may be - for standard output)
//
//   -S  in the kernel's generic path instead of the driver    -n  end after so many packets (else by SIGINT or SIGTERM)
//
// Licence: Apache-2.0.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// What stands before the packet's first bytes in each record.
struct sample {
    uint64_t time_ns;  // since the machine started
    uint32_t length, captured, ifindex, queue;
    uint8_t bytes[];
};

struct writer {
    FILE *file;
    uint64_t start_ns;  // when the machine started
    unsigned long left;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static bool failed(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, strerror(error < 0 ? -error : error));
    return false;
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// The head of a pcap file with nanoseconds: version 2.4, Ethernet.
static void write_head(FILE *file)
{
    const uint32_t head[] = { 0xa1b23c4d, 2 | 4 << 16, 0, 0, 262144, 1 };
    fwrite(head, sizeof head, 1, file);
}

// One record of the ring buffer. A negative result ends reading.
static int take(void *context, void *data, size_t size)
{
    struct writer *writer = context;
    const struct sample *sample = data;
    if (size < sizeof *sample || size < sizeof *sample + sample->captured)
        return -EINVAL;
    if (writer->left == 0)
        return -ECANCELED;
    const uint64_t at = writer->start_ns + sample->time_ns;
    const uint32_t head[] = { (uint32_t)(at / 1000000000u), (uint32_t)(at % 1000000000u), sample->captured, sample->length };
    if (fwrite(head, sizeof head, 1, writer->file) != 1 || fwrite(sample->bytes, 1, sample->captured, writer->file) != sample->captured)
        return -EIO;
    writer->left--;
    return 0;
}

static bool serve(struct bpf_object *object, int ifindex, unsigned flags, struct writer *writer, char **ports)
{
    const struct bpf_program *program = bpf_object__next_program(object, NULL);
    const int port_set = bpf_object__find_map_fd_by_name(object, "ports");
    const int samples = bpf_object__find_map_fd_by_name(object, "samples");
    if (!program || port_set < 0 || samples < 0)
        return failed("the object is no capture.xdp", ENOENT);
    for (; *ports; ports++) {
        const uint16_t port = (uint16_t)strtoul(*ports, NULL, 10);
        const uint8_t member = 1;
        if (bpf_map_update_elem(port_set, &port, &member, BPF_ANY))
            return failed(*ports, errno);
    }
    struct ring_buffer *ring = ring_buffer__new(samples, take, writer, NULL);
    if (!ring)
        return failed("ring buffer", errno);
    int error = bpf_xdp_attach(ifindex, bpf_program__fd(program), flags, NULL);
    if (error) {
        ring_buffer__free(ring);
        return failed("attach", error);
    }
    fprintf(stderr, "capturing\n");
    while (!stopped && writer->left > 0) {
        error = ring_buffer__poll(ring, 200);
        fflush(writer->file);
        if (error < 0 && error != -EINTR && error != -ECANCELED)
            break;
        error = 0;
    }
    bpf_xdp_detach(ifindex, flags, NULL);
    ring_buffer__free(ring);
    return error == 0 || failed("read", error);
}

int main(int argc, char **argv)
{
    unsigned flags = XDP_FLAGS_DRV_MODE;
    struct writer writer = { .left = (unsigned long)-1 };
    for (int option; (option = getopt(argc, argv, "Sn:")) != -1;) {
        switch (option) {
        case 'S': flags = XDP_FLAGS_SKB_MODE; break;
        case 'n': writer.left = strtoul(optarg, NULL, 10); break;
        default: optind = argc;
        }
    }
    if (argc - optind < 4) {
        fprintf(stderr, "usage: %s [-S] [-n COUNT] DEVICE OBJECT FILE PORT...\n", argv[0]);
        return 2;
    }
    char **rest = argv + optind;
    const unsigned ifindex = if_nametoindex(rest[0]);
    if (ifindex == 0)
        return failed(rest[0], errno), 1;
    const struct sigaction action = { .sa_handler = stop };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    struct bpf_object *object = bpf_object__open_file(rest[1], NULL);
    if (!object)
        return failed(rest[1], errno), 1;
    bool fine = false;
    const int error = bpf_object__load(object);
    if (error)
        failed(rest[1], error);
    else if (!(writer.file = strcmp(rest[2], "-") == 0 ? stdout : fopen(rest[2], "wb")))
        failed(rest[2], errno);
    else {
        writer.start_ns = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);
        write_head(writer.file);
        fine = serve(object, (int)ifindex, flags, &writer, rest + 3);
        if (fclose(writer.file) != 0)
            fine = failed(rest[2], errno);
    }
    bpf_object__close(object);
    return fine ? 0 : 1;
}
