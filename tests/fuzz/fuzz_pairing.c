// Pairing under any sequence of messages: bytes below 128 are requests, others (with the high bit
// taken off) replies. Whatever comes, the books of units and requests hold. Then a client and a server that
// behave, COPY included, and every reply must find its request.
#include "protocol/pairing.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_books(const struct pairing *pairing)
{
    if (pairing->first > pairing->next || pairing->next - pairing->first > pairing->capacity ||
        pairing->units_begun > pairing->next) {
        abort();
    }
}

static void
run_any(const uint8_t *data, size_t size)
{
    struct pairing pairing;
    uint64_t oldest = 0;
    pairing_init(&pairing);
    for (size_t i = 0; i < size; i++) {
        char type = (char)(data[i] & 127);
        if (data[i] < 128) {
            struct pairing_place place;
            uint64_t next = pairing.next;
            if (pairing_request(&pairing, type, &place) == PAIRING_OK && place.request != next) {
                abort();
            }
        } else {
            struct pairing_answer answer;
            enum pairing_status status = pairing_reply(&pairing, type, 'I', &answer);
            if (status == PAIRING_OK && !answer.is_asynchronous) {
                if (answer.request < oldest || answer.request >= pairing.next ||
                    (answer.ends_unit && !answer.completes)) {
                    abort();
                }
                oldest = answer.request;
            }
        }
        check_books(&pairing);
    }
    pairing_fini(&pairing);
}

// The server of the manual. It reads what the client has sent whenever a byte says so, and fails where a bit says
// so; each of its replies must be paired with the request that it answers. The client behaves: into a COPY
// that it has begun it says nothing else before it has ended it. One thing is left out, which no observer
// can know (pairing.h): a COPY IN does not fail on its own behind a Sync that was sent into it.
enum copy { NO_COPY, COPY_IN, COPY_OUT };

struct sent {
    char type;
    enum copy copy;
    uint64_t number;
    int is_answered;
};

struct world {
    struct pairing pairing;
    struct sent *queue;
    size_t sent, done;
    int client_copies;          // it has begun a COPY IN, and not ended it
    int server_skips;           // up to Sync
    const struct sent *copying; // the server's COPY IN, NULL: none
};

static void
expect(struct world *world, char type, const struct sent *request)
{
    struct pairing_answer answer;
    if (pairing_reply(&world->pairing, type, 'I', &answer) != PAIRING_OK ||
        answer.is_asynchronous || answer.request != request->number || !request->is_answered) {
        abort();
    }
    if (pairing_reply(&world->pairing, 'S', 0, &answer) != PAIRING_OK || !answer.is_asynchronous) {
        abort(); // something unasked, in between
    }
}

static void
end_copy(struct world *world, char reply)
{
    const struct sent *copy = world->copying;
    world->copying = NULL;
    expect(world, reply, copy);
    if (copy->type == 'Q') {
        expect(world, 'Z', copy);
    } else {
        world->server_skips = reply == 'E';
    }
}

static int
sync_was_sent_into(const struct world *world)
{
    for (const struct sent *at = world->copying + 1; at < world->queue + world->sent; at++) {
        if (at->type == 'S') {
            return 1;
        }
    }
    return 0;
}

static void
read_in_copy(struct world *world, const struct sent *message, int fails)
{
    if (message->type == 'c') {
        end_copy(world, fails && !sync_was_sent_into(world) ? 'E' : 'C');
    } else if (message->type == 'f') {
        end_copy(world, 'E');
    } else if (message->type == 'd' && fails && !sync_was_sent_into(world)) {
        end_copy(world, 'E');
    }
}

static void
answer_request(struct world *world, const struct sent *request)
{
    static const char types[] = "PBDECQFS";
    static const char *const replies[] = {"1", "2", "tT", "DC", "3", "TDCI", "V", ""};
    const char *reply =
        request->copy == COPY_OUT ? "HddcC" : replies[strchr(types, request->type) - types];
    for (; *reply != '\0'; reply++) {
        expect(world, *reply, request);
    }
}

static void
serve(struct world *world, int fails)
{
    const struct sent *message = &world->queue[world->done++];
    if (world->copying != NULL) {
        read_in_copy(world, message, fails);
        return;
    }
    if (strchr("cdfH", message->type) != NULL || (world->server_skips && message->type != 'S')) {
        return;
    }
    if (fails) {
        expect(world, 'E', message);
    } else if (message->copy == COPY_IN) {
        expect(world, 'G', message);
        world->copying = message;
        return;
    } else {
        answer_request(world, message);
    }
    if (strchr("QFS", message->type) != NULL) {
        expect(world, 'Z', message);
        world->server_skips = 0;
    } else {
        world->server_skips = fails;
    }
}

static void
say(struct world *world, char type, enum copy copy)
{
    struct pairing_place place;
    if (pairing_request(&world->pairing, type, &place) != PAIRING_OK) {
        abort();
    }
    world->queue[world->sent++] = (struct sent){
        .type = type, .copy = copy, .number = place.request, .is_answered = place.is_answered};
    if (copy == COPY_IN) {
        world->client_copies = 1;
    } else if (type == 'c' || type == 'f') {
        world->client_copies = 0;
    }
}

// Each byte is a message, or lets the server read one that is waiting.
static void
run_legal(const uint8_t *data, size_t size)
{
    struct world world = {.queue = calloc(size + 4, sizeof(*world.queue))};
    pairing_init(&world.pairing);
    for (size_t i = 0; i < size; i++) {
        if ((data[i] & 8) == 0) {
            if (world.done < world.sent) {
                serve(&world, (data[i] & 16) != 0);
            }
        } else if (world.client_copies) {
            say(&world, "dddSHccf"[data[i] & 7], NO_COPY);
        } else {
            char type = "PBDECQFS"[data[i] & 7];
            int may_copy = type == 'E' || type == 'Q';
            say(&world, type, may_copy ? (enum copy)((data[i] >> 5) % 3) : NO_COPY);
        }
    }
    if (world.client_copies) {
        say(&world, 'c', NO_COPY);
    }
    say(&world, 'S', NO_COPY);
    while (world.done < world.sent) {
        serve(&world, 0);
    }
    if (!pairing_is_idle(&world.pairing) ||
        world.pairing.units_begun != world.pairing.units_ended) {
        abort();
    }
    pairing_fini(&world.pairing);
    free(world.queue);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_any(data, size);
    run_legal(data, size);
    return 0;
}
