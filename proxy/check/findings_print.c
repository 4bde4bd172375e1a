// Findings as text and as JSON. The text is for an operator at night: a line a finding, the gravest first, columns
// that awk and grep can hold on to, at most FINDINGS_LINES of a kind, and for each database one line that says
// whether it is fit. Where all is well that line is the only one.
#include "proxy/check/findings.h"
#include <jansson.h>
#include <string.h>

static const char *const outcome_words[] = {"fit", "not fit", "unknown"};

static void
print_kind(FILE *out, const struct findings *findings, enum finding_kind kind)
{
    const char *severity = finding_severity_name(finding_severity(kind));
    size_t count = 0;

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];

        if (finding->kind == kind && ++count <= FINDINGS_LINES)
            fprintf(out, "%-8s %s  %s  %s: %s  → %s\n", severity, findings->database,
                    finding_kind_name(kind), finding->subject, finding->detail, finding_hint(kind));
    }
    if (count > FINDINGS_LINES)
        fprintf(out, "%-8s %s  %s  and %zu more  → --format json lists all\n", severity,
                findings->database, finding_kind_name(kind), count - FINDINGS_LINES);
}

static void
print_count(FILE *out, size_t count, const char *what, const char **gap)
{
    if (count > 0)
        fprintf(out, "%s%zu %s%s", *gap, count, what, count == 1 ? "" : "s");
    if (count > 0)
        *gap = ", ";
}

static void
print_summary(FILE *out, const struct findings *findings)
{
    const char *gap = "  ";
    bool is_of_database = *findings->about[0]; // and not what concerns none

    if (!is_of_database && findings->count == 0)
        return;
    fprintf(out, "%-8s %s", outcome_words[findings_outcome(findings)], findings->database);
    for (int severity = 0; severity < FINDING_SEVERITIES; severity++)
        print_count(out, findings->of_severity[severity],
                    finding_severity_name((enum finding_severity)severity), &gap);
    if (is_of_database)
        fprintf(out, "  old: %s; new: %s%s%s", findings->about[0], findings->about[1],
                *findings->lag ? "; lag: " : "", findings->lag);
    fputc('\n', out);
}

bool
findings_print_text(FILE *out, const struct findings *databases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int severity = 0; severity < FINDING_SEVERITIES; severity++) {
            for (int kind = 0; kind < FINDING_KINDS; kind++) {
                if (finding_severity((enum finding_kind)kind) == (enum finding_severity)severity)
                    print_kind(out, &databases[i], (enum finding_kind)kind);
            }
        }
        print_summary(out, &databases[i]);
    }
    return fflush(out) == 0 && !ferror(out);
}

static json_t *
to_json(const struct findings *findings)
{
    json_t *list = json_array();

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->list[i];
        json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:s}", "severity",
                                finding_severity_name(finding_severity(finding->kind)), "kind",
                                finding_kind_name(finding->kind), "subject", finding->subject,
                                "detail", finding->detail, "hint", finding_hint(finding->kind));

        json_array_append_new(list, one);
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "database",
                     findings->database, "outcome", outcome_words[findings_outcome(findings)],
                     "old", findings->about[0], "new", findings->about[1], "lag_probe",
                     findings->lag, "errors", (json_int_t)findings->of_severity[FINDING_ERROR],
                     "warnings", (json_int_t)findings->of_severity[FINDING_WARNING], "notes",
                     (json_int_t)findings->of_severity[FINDING_NOTE], "findings", list);
}

bool
findings_print_json(FILE *out, const struct findings *databases, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, to_json(&databases[i]));

    json_t *whole = json_pack("{s:o}", "databases", list);
    bool is_written = whole && json_dumpf(whole, out, JSON_INDENT(2)) == 0 && fputc('\n', out) > 0;

    json_decref(whole);
    return is_written && fflush(out) == 0;
}
