// Answers as aligned text: numbers to the right, long text cut, blanks only.
#ifndef PROXY_REPORT_REPORT_TABLE_H
#define PROXY_REPORT_REPORT_TABLE_H

#include "proxy/report/answer.h"
#include <stdio.h>

enum { REPORT_WIDTH_MAX = 100 }; // of one column; the last may be as wide

void report_table(FILE *out, const struct answer *answer);
void report_number(uint64_t value, char text[32]); // "1,234,567"

#endif
