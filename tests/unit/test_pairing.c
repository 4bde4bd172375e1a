// Pairing, as scripts. One string tells what passes, in order, and what the pairing must say of it;
// the test plays the messages and writes the string anew.
//
//   >  messages from the client follow: type, then `(` begins a unit, `)` ends it, `-` gets no answer
//   <  replies from the server follow: type, then `:N` the request's number, `.` completes it,
//      `|` ends a unit, `+N` joins units, `~` reopens the unit, `*` answers nothing, `!` is junk
//   ... at the end: something is still under way
#include "protocol/pairing.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

struct script {
    const char *name;
    const char *words;
};

static const struct script scripts[] = {
    {"simple query", "> Q() < T:0 D:0 C:0 Z:0.|"},
    {"several statements in one Query", "> Q() < T:0 D:0 C:0 C:0 T:0 C:0 Z:0.|"},
    {"empty query", "> Q() < I:0 Z:0.|"},
    {"error in a Query", "> Q() < T:0 D:0 E:0 Z:0.|"},
    {"Queries sent ahead", "> Q() Q() < C:0 Z:0.| E:1 Z:1.|"},
    {"function call", "> F() < V:0 Z:0.|"},
    {"function call fails", "> F() < E:0 Z:0.|"},
    {"extended", "> P( B D E S) < 1:0. 2:1. T:2. D:3 D:3 C:3. Z:4.|"},
    {"describe a statement", "> P( D S) < 1:0. t:1 n:1. Z:2.|"},
    {"close", "> C( S) < 3:0. Z:1.|"},
    {"flush gets nothing", "> P( H- < 1:0. > B E H- < 2:1. D:2 C:2. > S) < Z:3.|"},
    {"flush begins no unit", "> H- Q() < C:0 Z:0.|"},
    {"sync alone", "> S() < Z:0.|"},
    {"sync fails to commit", "> E( S) < C:0. E:1 Z:1.|"},
    {"portal in parts", "> B( E E S) < 2:0. D:1 s:1. D:2 C:2. Z:3.|"},
    {"empty statement executed", "> E( S) < I:0. Z:1.|"},
    {"several executes", "> B( E B E S) < 2:0. D:1 C:1. 2:2. D:3 C:3. Z:4.|"},
    {"units sent ahead", "> P( S) P( S) < 1:0. Z:1.| 1:2. Z:3.|"},
    {"asynchronous at any time", "> Q() < N* T:0 S* D:0 A* C:0 Z:0.| N* S* A*"},
    {"terminate", "> Q() < C:0 Z:0.| > X-"},

    {"error skips to Sync", "> P( B E S) < 1:0. E:1. Z:3.|"},
    {"error, the Sync comes later", "> P( < E:0. > B- E- S) < Z:3.|"},
    {"error with units behind", "> P( B S) P( S) < E:0. Z:2.| 1:3. Z:4.|"},
    {"Query is skipped too", "> P( < E:0. > Q- S) < Z:2.|"},
    {"function call is skipped too", "> P( < E:0. > F- S) < Z:2.|"},
    {"a Query sent ahead is skipped", "> P( Q) S() < E:0.+1 Z:2.|"},
    {"two Queries sent ahead are skipped", "> P( Q) Q() S() < E:0.+2 Z:3.|"},
    {"a skipped Query, its Sync to come", "> P( Q) < E:0.~ > S) < Z:2.|"},
    {"a skipped Query, its unit to go on", "> P( Q) B( < E:0.+1 > E- S) < Z:4.|"},
    {"Query in a unit", "> P( B Q) S() < 1:0. 2:1. C:2 Z:2.| Z:3.|"},
    {"error in a Query skips nothing", "> Q() P( S) < E:0 Z:0.| 1:1. Z:2.|"},
    {"late copy messages while skipping", "> P( < E:0. > d- c- f- S) < Z:1.|"},
    {"FATAL with nothing unanswered", "< E*"},
    {"FATAL behind an error", "> P( < E:0. E* ..."},
    {"FATAL behind an error, Sync sent", "> P( S) < E:0. E:1 ..."},

    {"copy out", "> Q() < H:0 d:0 d:0 c:0 C:0 Z:0.|"},
    {"copy out, extended", "> P( B E S) < 1:0. 2:1. H:2 d:2 c:2 C:2. Z:3.|"},
    {"copy out fails", "> Q() < H:0 d:0 E:0 Z:0.|"},
    {"copy data without copy out", "> Q() < d! ..."},
    {"copy data after copy out", "> Q() < H:0 c:0 d! ..."},

    {"copy in", "> Q() < G:0 > d- d- c- < C:0 Z:0.|"},
    {"copy in sent ahead", "> Q() d- c- Q() < G:0 C:0 Z:0.| C:2 Z:2.|"},
    {"copy in gives up", "> Q() < G:0 > d- f- < E:0 Z:0.|"},
    {"two copies in one Query", "> Q() < G:0 > d- c- < C:0 G:0 > d- c- < C:0 Z:0.|"},
    {"two copies sent ahead", "> Q() d- c- d- c- < G:0 C:0 G:0 C:0 Z:0.|"},
    {"the first of two copies sent ahead fails", "> Q() c- Q() c- < E:0 Z:0.| G:2 C:2 Z:2.|"},
    {"copy in fails at once, data still comes",
     "> Q() < G:0 > d- < E:0 Z:0.| > d- d- c- Q() < C:1 Z:1.|"},
    {"copy in fails, the end passes before ReadyForQuery",
     "> Q() < G:0 > d- < E:0 > d- c- Q() < Z:0.| C:2 Z:2.|"},
    {"data with no copy", "> d- c- f- Q() < C:0 Z:0.|"},
    {"Sync and Flush in a Query's copy", "> Q() < G:0 > S- d- H- c- < C:0 Z:0.|"},
    {"Sync ahead of a Query's copy", "> Q() S() < G:0+1 > d- c- < C:0 Z:0.|"},
    {"Sync ahead, the whole copy too", "> Q() S() d- c- Q() < G:0+1 C:0 Z:0.| C:3 Z:3.|"},

    {"copy in, extended", "> P( B E < 1:0. 2:1. G:2 > d- c- < C:2. > S) < Z:3.|"},
    {"copy in, Sync sent before its response",
     "> P( B E S) < 1:0. 2:1. G:2~ > d- c- S) < C:2. Z:4.|"},
    {"copy in, Sync sent after its response", "> E( < G:0 > S- d- S- c- S) < C:0. Z:1.|"},
    {"copy in, both Syncs sent ahead", "> E( S) d- c- S() < G:0+1 C:0. Z:3.|"},
    {"copy in, Sync after CopyDone counts", "> E( d- c- S) S() < G:0 C:0. Z:2.| Z:3.|"},
    {"copy in, three Syncs sent ahead", "> E( S) S() c- S() < G:0+2 C:0. Z:4.|"},
    {"copy in, the unit goes on", "> E( S) c- P( S) < G:0+1 C:0. 1:3. Z:4.|"},
    {"copies in a pipeline", "> E( d- c- E d- c- S) < G:0 C:0. G:2 C:2. Z:4.|"},
    {"no copy after all", "> E( S) < E:0. Z:1.| > d- c- S() < Z:2.|"},
    {"copy in gives up, extended", "> E( S) < G:0~ > d- f- S) < E:0. Z:2.|"},
    {"copy in fails, extended", "> E( S) < G:0~ > d- < E:0. > d- c- S) < Z:2.|"},
    {"copy in fails before it reads the Sync", "> E( S) < G:0~ E:0. Z:1.| > d- c- S() < Z:2.|"},
    {"copy in fails before it reads the Sync, all sent",
     "> E( S) < G:0~ > d- c- S) < E:0. Z:2.| Z* > Q() < C:3 Z:3.|"},
    {"copy in fails before it reads the Sync, a Query behind",
     "> E( S) < G:0~ > d- c- S) Q() < E:0. Z:2.| Z* C:3 Z:3.|"},
    {"units sent ahead of a copy that cannot be", "> E( S) P( S) < G:0 E:0. Z:1.| 1:2. Z:3.|"},
    {"a unit sent into a copy that cannot be", "> E( S) < G:0~ > P( S) < E:0. Z:1.| 1:2. Z:3.|"},
    {"a Query's copy fails before it reads the Sync",
     "> Q() S() < G:0+1 E:0 Z:0.| Z* > Q() < C:2 Z:2.|"},

    {"replication", "> Q() < W:0 > d- c- Q- S- < d* C* Z* E* ..."},

    {"reply to nothing", "< D!"},
    {"ReadyForQuery to nothing", "< Z!"},
    {"login messages", "> Q() < R! K! ..."},
    {"wrong reply", "> P( < 2! ..."},
    {"rows for Parse", "> P( < D! ..."},
    {"ReadyForQuery for Parse", "> P( < Z! ..."},
    {"unknown types", "> p! ?! < ?!"},
};

static void
play_request(struct pairing *pairing, char type, char *word)
{
    struct pairing_place place;
    if (pairing_request(pairing, type, &place) != PAIRING_OK) {
        sprintf(word, "%c!", type);
        return;
    }
    sprintf(word, "%c%s%s%s", type, place.begins_unit ? "(" : "", place.ends_unit ? ")" : "",
            place.is_answered ? "" : "-");
}

static void
play_reply(struct pairing *pairing, char type, char *word)
{
    struct pairing_answer answer;
    if (pairing_reply(pairing, type, type == 'Z' ? 'T' : 0, &answer) != PAIRING_OK) {
        sprintf(word, "%c!", type);
        return;
    }
    if (answer.is_asynchronous) {
        cr_assert(answer.request_type == 0 && !answer.completes && !answer.ends_unit);
        sprintf(word, "%c*", type);
        return;
    }
    char joined[16] = "";
    if (answer.joined_units > 0) {
        sprintf(joined, "+%u", answer.joined_units);
    }
    sprintf(word, "%c:%d%s%s%s%s", type, (int)answer.request, answer.completes ? "." : "",
            answer.ends_unit ? "|" : "", joined, answer.reopens_unit ? "~" : "");
}

static void
play(const struct script *script)
{
    struct pairing pairing;
    pairing_init(&pairing);
    char words[512];
    char played[1024] = "";
    strcpy(words, script->words);
    bool is_reply = false;
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        char said[64];
        if (strcmp(word, "...") == 0) {
            break;
        }
        if (word[0] == '>' || word[0] == '<') {
            is_reply = word[0] == '<';
            strcpy(said, word);
        } else {
            (is_reply ? play_reply : play_request)(&pairing, word[0], said);
        }
        if (played[0] != '\0') {
            strcat(played, " ");
        }
        strcat(played, said);
    }
    if (pairing_is_idle(&pairing)) {
        cr_expect_eq(pairing.units_begun, pairing.units_ended, "%s: %d units begun, %d ended",
                     script->name, (int)pairing.units_begun, (int)pairing.units_ended);
    } else {
        strcat(played, " ...");
    }
    cr_expect_str_eq(played, script->words, "%s:\n  said %s\n  not  %s", script->name, played,
                     script->words);
    pairing_fini(&pairing);
}

Test(pairing, each_reply_is_paired_with_the_request_that_it_answers)
{
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        play(&scripts[i]);
    }
}

Test(pairing, the_transaction_status_is_the_last_ready_for_query)
{
    struct pairing pairing;
    struct pairing_place place;
    struct pairing_answer answer;
    pairing_init(&pairing);
    cr_expect_eq(pairing.transaction_status, 'I');
    static const char statuses[] = "TEI";
    for (const char *status = statuses; *status != '\0'; status++) {
        cr_assert_eq(pairing_request(&pairing, 'Q', &place), PAIRING_OK);
        cr_assert_eq(pairing_reply(&pairing, 'C', 0, &answer), PAIRING_OK);
        cr_assert_eq(pairing_reply(&pairing, 'Z', *status, &answer), PAIRING_OK);
        cr_expect_eq(pairing.transaction_status, *status);
    }
    pairing_fini(&pairing);
}

Test(pairing, unanswered_requests_are_bounded_and_go_on_when_replies_come)
{
    struct pairing pairing;
    struct pairing_place place;
    struct pairing_answer answer;
    pairing_init(&pairing);
    for (int i = 0; i < PAIRING_LIMIT; i++) {
        cr_assert_eq(pairing_request(&pairing, 'P', &place), PAIRING_OK);
    }
    struct pairing before = pairing;
    cr_expect_eq(pairing_request(&pairing, 'P', &place), PAIRING_TOO_MANY);
    cr_expect_eq(memcmp(&before, &pairing, sizeof(before)), 0);
    cr_expect_eq(pairing.capacity, (size_t)PAIRING_LIMIT);
    cr_assert_eq(pairing_reply(&pairing, '1', 0, &answer), PAIRING_OK);
    cr_expect_eq(pairing_request(&pairing, 'S', &place), PAIRING_OK);
    for (uint64_t i = 1; i < PAIRING_LIMIT; i++) {
        cr_assert_eq(pairing_reply(&pairing, '1', 0, &answer), PAIRING_OK);
        cr_assert_eq(answer.request, i);
    }
    cr_assert_eq(pairing_reply(&pairing, 'Z', 'I', &answer), PAIRING_OK);
    cr_expect(pairing_is_idle(&pairing));
    pairing_fini(&pairing);
}

Test(pairing, the_ring_does_not_grow_in_a_steady_state)
{
    struct pairing pairing;
    struct pairing_place place;
    struct pairing_answer answer;
    pairing_init(&pairing);
    for (int i = 0; i < 1000; i++) {
        static const char requests[] = "PBDES";
        static const char replies[] = "12TDCZ";
        for (const char *type = requests; *type != '\0'; type++) {
            cr_assert_eq(pairing_request(&pairing, *type, &place), PAIRING_OK);
        }
        for (const char *type = replies; *type != '\0'; type++) {
            cr_assert_eq(pairing_reply(&pairing, *type, 'I', &answer), PAIRING_OK);
        }
    }
    cr_expect_eq(pairing.capacity, 16u);
    cr_expect_eq(pairing.units_ended, 1000u);
    pairing_fini(&pairing);
}

Test(pairing, copy_data_takes_no_place)
{
    struct pairing pairing;
    struct pairing_place place;
    struct pairing_answer answer;
    pairing_init(&pairing);
    cr_assert_eq(pairing_request(&pairing, 'E', &place), PAIRING_OK);
    cr_assert_eq(pairing_reply(&pairing, 'G', 0, &answer), PAIRING_OK);
    for (int i = 0; i < 2 * PAIRING_LIMIT; i++) {
        cr_assert_eq(pairing_request(&pairing, i % 2 == 0 ? 'd' : 'S', &place), PAIRING_OK);
    }
    cr_expect_eq(pairing.capacity, 16u);
    pairing_fini(&pairing);
}
