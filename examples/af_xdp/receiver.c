// Receives what ports.xdp sends to AF_XDP sockets: attaches the object to a device, opens the given ports in its set `ports`, puts a
// socket for one receive queue into its map `xsk`, says what arrives and sends it back where it came from.
//
//     ./receiver [-S] [-q QUEUE] [-n COUNT] [-e] DEVICE OBJECT PORT...
//
//   -S  in the kernel's generic path instead of the driver    -n  end after so many packets (else by SIGINT or SIGTERM)
//   -q  the receive queue (0 unless told)                     -e  echo: send back all but TCP's SYN, with the MACs exchanged
//
// A frame of the memory shared with the kernel is always in one place: with the kernel to be filled (fill ring), here (after the RX
// ring), or with the kernel to be sent (TX ring, then completion ring). An echo sends the frame it came in, so nothing is copied.
// Licence: Apache-2.0.

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

enum { FRAMES = 1024, FRAME_SIZE = XSK_UMEM__DEFAULT_FRAME_SIZE, BATCH = 64 };

struct receiver {
    struct xsk_ring_prod fill, tx;
    struct xsk_ring_cons completed, rx;
    struct xsk_umem *umem;
    struct xsk_socket *socket;
    void *memory;
    unsigned sending;  // frames in the TX and completion rings
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

// Gives frames to the kernel, to be filled.
static void fill(struct receiver *r, const uint64_t *addresses, unsigned count)
{
    uint32_t at = 0;
    // The ring has as many places as there are frames, so there is always room.
    if (count == 0 || xsk_ring_prod__reserve(&r->fill, count, &at) != count)
        return;
    for (unsigned i = 0; i < count; i++)
        *xsk_ring_prod__fill_addr(&r->fill, at + i) = addresses[i];
    xsk_ring_prod__submit(&r->fill, count);
}

static bool open_socket(struct receiver *r, const char *device, unsigned queue, bool generic)
{
    const size_t size = (size_t)FRAMES * FRAME_SIZE;
    r->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (r->memory == MAP_FAILED)
        return failed("memory", errno);
    const struct xsk_umem_config shared = { .fill_size = FRAMES, .comp_size = FRAMES, .frame_size = FRAME_SIZE };
    int error = xsk_umem__create(&r->umem, r->memory, size, &r->fill, &r->completed, &shared);
    if (error)
        return failed("umem", error);
    const struct xsk_socket_config config = {
        .rx_size = FRAMES,
        .tx_size = FRAMES,
        .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,  // the program is ours
        .bind_flags = XDP_USE_NEED_WAKEUP | (generic ? XDP_COPY : 0),
    };
    // A socket that was closed a moment ago still has the queue until the kernel has cleaned up behind it.
    for (int tries = 0; tries < 100; tries++) {
        error = xsk_socket__create(&r->socket, device, queue, r->umem, &r->rx, &r->tx, &config);
        if (error != -EBUSY || stopped)
            break;
        r->socket = NULL;
        poll(NULL, 0, 20);
    }
    if (error)
        return failed("socket", error);
    for (unsigned i = 0; i < FRAMES; i += BATCH) {
        uint64_t addresses[BATCH];
        for (unsigned j = 0; j < BATCH; j++)
            addresses[j] = (uint64_t)(i + j) * FRAME_SIZE;
        fill(r, addresses, BATCH);
    }
    return true;
}

static void close_socket(struct receiver *r)
{
    if (r->socket)
        xsk_socket__delete(r->socket);
    if (r->umem)
        xsk_umem__delete(r->umem);
    if (r->memory && r->memory != MAP_FAILED)
        munmap(r->memory, (size_t)FRAMES * FRAME_SIZE);
}

// Frames that were sent are free again.
static void collect(struct receiver *r)
{
    uint32_t at = 0;
    const unsigned count = xsk_ring_cons__peek(&r->completed, BATCH, &at);
    uint64_t addresses[BATCH];
    for (unsigned i = 0; i < count; i++) {
        const uint64_t address = *xsk_ring_cons__comp_addr(&r->completed, at + i);
        addresses[i] = address - address % FRAME_SIZE;
    }
    if (count > 0)
        xsk_ring_cons__release(&r->completed, count);
    r->sending -= count;
    fill(r, addresses, count);
}

// Whether this is the opening of a TCP connection, in plain IPv4 or IPv6: these two are all that is looked for.
static bool is_syn(const uint8_t *frame, uint32_t length)
{
    uint32_t tcp = 0;
    if (length >= 34 && frame[12] == 0x08 && frame[13] == 0x00 && frame[23] == 6)
        tcp = 14 + (frame[14] & 15) * 4;
    else if (length >= 54 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 6)
        tcp = 54;
    return tcp != 0 && length >= tcp + 14 && (frame[tcp + 13] & 0x12) == 0x02;
}

static void say(const uint8_t *frame, uint32_t length)
{
    printf("%u ", length);
    for (uint32_t i = 0; i < length; i++)
        printf("%02x", frame[i]);
    printf("\n");
}

// Takes what has arrived, says it, sends it back or gives the frame back to be filled. Gives the number of packets.
static unsigned receive(struct receiver *r, bool echo, unsigned most)
{
    uint32_t at = 0, to = 0;
    const unsigned count = xsk_ring_cons__peek(&r->rx, most < BATCH ? most : BATCH, &at);
    uint64_t unused[BATCH];
    unsigned unused_count = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct xdp_desc *got = xsk_ring_cons__rx_desc(&r->rx, at + i);
        uint8_t *frame = xsk_umem__get_data(r->memory, got->addr);
        say(frame, got->len);
        if (echo && !is_syn(frame, got->len) && xsk_ring_prod__reserve(&r->tx, 1, &to) == 1) {
            uint8_t mac[6];
            memcpy(mac, frame, 6);
            memcpy(frame, frame + 6, 6);
            memcpy(frame + 6, mac, 6);
            *xsk_ring_prod__tx_desc(&r->tx, to) = (struct xdp_desc){ .addr = got->addr, .len = got->len };
            xsk_ring_prod__submit(&r->tx, 1);
            r->sending++;
        } else {
            unused[unused_count++] = got->addr - got->addr % FRAME_SIZE;
        }
    }
    if (count > 0)
        xsk_ring_cons__release(&r->rx, count);
    fill(r, unused, unused_count);
    fflush(stdout);
    return count;
}

// The kernel sends when it is told to.
static void send_off(struct receiver *r)
{
    if (r->sending > 0 && xsk_ring_prod__needs_wakeup(&r->tx))
        sendto(xsk_socket__fd(r->socket), NULL, 0, MSG_DONTWAIT, NULL, 0);
    collect(r);
}

static void run(struct receiver *r, bool echo, unsigned long left)
{
    while (!stopped && left > 0) {
        struct pollfd ready = { .fd = xsk_socket__fd(r->socket), .events = POLLIN };
        if (poll(&ready, 1, r->sending > 0 ? 1 : 200) < 0 && errno != EINTR)
            break;
        left -= receive(r, echo, left < BATCH ? (unsigned)left : BATCH);
        send_off(r);
    }
    for (int tries = 0; r->sending > 0 && tries < 100; tries++) {
        send_off(r);
        poll(NULL, 0, 5);
    }
}

// Opens the ports, attaches the program and receives; whatever was attached is detached again.
static bool serve(struct receiver *r, struct bpf_object *object, int ifindex, unsigned queue, unsigned flags, char **ports,
                  bool echo, unsigned long count)
{
    const struct bpf_program *program = bpf_object__next_program(object, NULL);
    const int port_set = bpf_object__find_map_fd_by_name(object, "ports");
    const int sockets = bpf_object__find_map_fd_by_name(object, "xsk");
    if (!program || port_set < 0 || sockets < 0)
        return failed("the object is no ports.xdp", ENOENT);
    for (; *ports; ports++) {
        const uint16_t port = (uint16_t)strtoul(*ports, NULL, 10);
        const uint8_t member = 1;
        if (bpf_map_update_elem(port_set, &port, &member, BPF_ANY))
            return failed(*ports, errno);
    }
    const int fd = xsk_socket__fd(r->socket);
    if (bpf_map_update_elem(sockets, &queue, &fd, BPF_ANY))
        return failed("xsk", errno);
    const int error = bpf_xdp_attach(ifindex, bpf_program__fd(program), flags, NULL);
    if (error)
        return failed("attach", error);
    printf("ready\n");
    fflush(stdout);
    run(r, echo, count);
    bpf_xdp_detach(ifindex, flags, NULL);
    return true;
}

int main(int argc, char **argv)
{
    bool echo = false, generic = false;
    unsigned queue = 0;
    unsigned long count = (unsigned long)-1;
    for (int option; (option = getopt(argc, argv, "Seq:n:")) != -1;) {
        switch (option) {
        case 'S': generic = true; break;
        case 'e': echo = true; break;
        case 'q': queue = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'n': count = strtoul(optarg, NULL, 10); break;
        default: optind = argc;
        }
    }
    if (argc - optind < 3) {
        fprintf(stderr, "usage: %s [-S] [-q QUEUE] [-n COUNT] [-e] DEVICE OBJECT PORT...\n", argv[0]);
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
    struct receiver r = { 0 };
    const int error = bpf_object__load(object);
    if (error)
        failed(rest[1], error);
    else if (open_socket(&r, rest[0], queue, generic))
        fine = serve(&r, object, (int)ifindex, queue, generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE, rest + 2, echo, count);
    close_socket(&r);
    bpf_object__close(object);
    return fine ? 0 : 1;
}
