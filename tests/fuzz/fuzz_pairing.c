// Pairing under any sequence of messages: bytes below 128 are requests, others (with the high bit
// taken off) replies. Whatever comes, the books of units and requests hold. Then a server that
// behaves answers what the same requests ask for, and every request must find its answer.
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

// The server of the manual, without COPY: it fails where a bit of `errors` says so.
static void
expect(struct pairing *pairing, char type, uint64_t request)
{
    struct pairing_answer answer;
    if (pairing_reply(pairing, type, 'I', &answer) != PAIRING_OK || answer.is_asynchronous ||
        answer.request != request) {
        abort();
    }
}

struct served {
    char type;
    uint64_t number;
};

// Gives whether the server skips from here on.
static int
serve(struct pairing *pairing, const struct served *request, int is_skipping, int fails)
{
    static const char types[] = "PBDECQFS";
    static const char *const replies[] = {"1", "2", "tT", "DC", "3", "TDCI", "V", ""};
    int is_last = strchr("QFS", request->type) != NULL;
    if (is_skipping && request->type != 'S') {
        return 1;
    }
    if (fails) {
        expect(pairing, 'E', request->number);
    } else {
        const char *reply = replies[strchr(types, request->type) - types];
        for (; *reply != '\0'; reply++) {
            expect(pairing, *reply, request->number);
        }
    }
    if (is_last) {
        expect(pairing, 'Z', request->number);
        return 0;
    }
    return fails;
}

// Each byte is a request, or lets the server answer one that is waiting.
static void
run_legal(const uint8_t *data, size_t size)
{
    struct served *queue = calloc(size + 2, sizeof(*queue));
    struct pairing pairing;
    size_t sent = 0;
    size_t done = 0;
    int is_skipping = 0;
    pairing_init(&pairing);
    for (size_t i = 0; i <= size; i++) {
        struct pairing_place place;
        char type = i < size ? "PBDECQFS"[data[i] & 7] : 'S';
        if (i == size || data[i] & 8) {
            if (pairing_request(&pairing, type, &place) != PAIRING_OK) {
                abort();
            }
            queue[sent++] = (struct served){.type = type, .number = place.request};
        } else if (done < sent) {
            is_skipping = serve(&pairing, &queue[done++], is_skipping, (data[i] & 16) != 0);
        }
    }
    while (done < sent) {
        is_skipping = serve(&pairing, &queue[done++], is_skipping, 0);
    }
    if (!pairing_is_idle(&pairing) || pairing.units_begun != pairing.units_ended) {
        abort();
    }
    pairing_fini(&pairing);
    free(queue);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    run_any(data, size);
    run_legal(data, size);
    return 0;
}
